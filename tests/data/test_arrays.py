"""Arrays of every kind become tensors once, or an error that says what they are."""

import warnings
from collections import UserDict
from pathlib import Path
from typing import Any, NamedTuple

import h5py
import numpy as np
import pandas as pd
import pytest
import scipy.sparse
import torch

from epochal.core.errors import Problems, UsageError, UsageTypeError
from epochal.data import is_arrays
from epochal.data.arrays import is_batches, length_problems, to_tensors

ROWS = [[1.0, 2.0], [3.0, 4.0], [5.0, 6.0]]


def made(data: Any, name: str = "x") -> Any:
    problems = Problems("fit")
    tensors = to_tensors(data, name, problems)
    problems.raise_if_any()
    return tensors


def problem_of(data: Any, name: str = "x") -> str:
    with pytest.raises(UsageError) as caught:
        made(data, name)
    return str(caught.value)


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        ("bool", torch.bool),
        ("int8", torch.int8),
        ("uint8", torch.uint8),
        ("int16", torch.int16),
        ("uint16", torch.int32),
        ("int32", torch.int32),
        ("uint32", torch.int64),
        ("int64", torch.int64),
        ("uint64", torch.int64),
        ("float16", torch.float16),
        ("float32", torch.float32),
        ("float64", torch.float32),
        ("longdouble", torch.float32),
        (">f4", torch.float32),
        (">f8", torch.float32),
        (">i4", torch.int32),
        (">u2", torch.int32),
    ],
)
@pytest.mark.parametrize(
    "layout", ["C", "F", "reversed", "every second", "read only", "field", "broadcast"]
)
def test_every_type_in_every_layout_keeps_its_values(
    given: str, kept: torch.dtype, layout: str
) -> None:
    array = np.array([[1, 0, 1], [0, 1, 1], [1, 1, 0], [0, 0, 1]], dtype=given)
    if layout == "F":
        array = np.asfortranarray(array)
    elif layout == "reversed":
        array = array[::-1, ::-1]
    elif layout == "every second":
        array = np.repeat(array, 2, axis=0)[::2]
    elif layout == "read only":
        array.flags.writeable = False
    elif layout == "field":  # packed: the steps between rows are no multiple of an entry
        records = np.zeros(4, dtype=[("pad", "u1"), ("x", given, 3)])
        records["x"] = array
        array = records["x"]
    elif layout == "broadcast":
        array = np.broadcast_to(array[0], (4, 3))
    tensor = made(array)
    assert tensor.dtype == kept
    assert tensor.tolist() == array.astype(float).tolist()
    assert is_arrays(array)


def test_contiguous_arrays_share_their_memory() -> None:
    for dtype in ("float32", "int64", "uint8", "float16", "bool"):
        array = np.zeros((4, 3), dtype=dtype)
        assert made(array).data_ptr() == array.ctypes.data
        assert made(array[::2]).data_ptr() == array.ctypes.data
    tensor = torch.zeros(3)
    assert made(tensor).data_ptr() == tensor.data_ptr()


def test_a_memory_map_is_neither_copied_nor_warned_about(tmp_path: Path) -> None:
    np.arange(12, dtype=np.float32).reshape(4, 3).tofile(tmp_path / "x.bin")
    array = np.memmap(tmp_path / "x.bin", dtype=np.float32, mode="r", shape=(4, 3))
    tensor = made(array)
    assert tensor.data_ptr() == array.ctypes.data
    assert tensor[3].tolist() == [9.0, 10.0, 11.0]


def test_tensors_lose_their_gradients_and_float64() -> None:
    weights = torch.nn.Parameter(torch.ones(2, dtype=torch.float64))
    tensor = made(weights * 2)
    assert not tensor.requires_grad
    assert tensor.dtype == torch.float32
    assert type(made(torch.nn.Parameter(torch.ones(2)))) is torch.Tensor
    assert made(torch.tensor([1, 2], dtype=torch.uint16)).dtype == torch.int32
    assert made(torch.tensor([1.0], dtype=torch.bfloat16)).dtype == torch.bfloat16


@pytest.mark.parametrize(
    "data",
    [
        ROWS,
        tuple(map(tuple, ROWS)),
        [tuple(row) for row in ROWS],
        np.array(ROWS, dtype=object),
        np.ma.masked_array(ROWS),
        pd.DataFrame(ROWS),
        pd.DataFrame(ROWS).astype({0: "Int64"}),
        pd.DataFrame(ROWS, dtype=object),
        pd.Series([[1.0, 2.0], [3.0, 4.0], np.array([5.0, 6.0])]),
    ],
    ids=lambda data: type(data).__name__,
)
def test_rows_of_numbers_come_in_many_forms(data: Any) -> None:
    assert is_arrays(data)
    tensor = made(data)
    assert tensor.dtype == torch.float32
    assert tensor.tolist() == ROWS


@pytest.mark.parametrize(
    "labels",
    [
        [1, 0, 2],
        (1, 0, 2),
        range(3),
        [np.int64(1), np.int64(0), np.int64(2)],
        [torch.tensor(1), torch.tensor(0), torch.tensor(2)],
        np.array([1, 0, 2], dtype=object),
        pd.Series([1, 0, 2]),
        pd.Series([1, 0, 2], dtype="Int64"),
        pd.Series([1, 0, 2], dtype=object),
        pd.Series([1, 0, 2], dtype="category"),
        pd.Index([1, 0, 2]),
    ],
    ids=lambda data: f"{type(data).__name__}-{getattr(data, 'dtype', '')}",
)
def test_labels_of_every_form_stay_whole_numbers(labels: Any) -> None:
    assert is_arrays(labels)
    tensor = made(labels)
    assert tensor.dtype == torch.int64
    assert tensor.tolist() == [int(label) for label in labels]


def test_missing_entries_of_pandas_become_nan() -> None:
    frame = pd.DataFrame(
        {
            "age": pd.array([31, None, 5], dtype="Int64"),
            "member": pd.array([True, False, None], dtype="boolean"),
            "height": [1.5, 1.25, 2.0],
        }
    )
    tensor = made(frame)
    assert tensor.dtype == torch.float32
    assert tensor.isnan().nonzero().tolist() == [[1, 0], [2, 1]]
    assert tensor[0].tolist() == [31.0, 1.0, 1.5]


def test_truths_beside_numbers_are_numbers() -> None:
    frame = pd.DataFrame({"a": [True, False], "b": [0.5, 1.5]})
    assert made(frame).tolist() == [[1.0, 0.5], [0.0, 1.5]]
    assert made(pd.DataFrame({"a": [True, False]})).dtype == torch.bool


def test_arrays_in_a_file_are_read(tmp_path: Path) -> None:
    with h5py.File(tmp_path / "x.h5", "w") as file:
        file["x"] = np.array(ROWS)
        assert is_arrays(file["x"])
        assert made(file["x"]).tolist() == ROWS


class Inputs(NamedTuple):
    image: Any
    size: Any


def test_nests_keep_their_shape() -> None:
    a, b = np.zeros((2, 3)), [1, 2]
    assert {key: tuple(t.shape) for key, t in made({"a": a, "b": b}).items()} == {
        "a": (2, 3),
        "b": (2,),
    }
    assert type(made(UserDict(a=a))) is dict
    assert [t.shape[0] for t in made([a, b])] == [2, 2]
    nested = made((a, {"c": (b, a)}))
    assert nested[1]["c"][0].tolist() == [1, 2]
    named = made(Inputs(a, b))
    assert type(named) is Inputs
    assert named.size.tolist() == [1, 2]
    assert made(None) is None
    assert made({"a": a, "b": None})["b"] is None


@pytest.mark.parametrize(
    ("data", "text"),
    [
        ("text", "x is the text 'text'; expected numbers"),
        (["a", "b"], "x is a list of texts, 'a' the first"),
        ({"id": ("a", "b")}, "x['id'] is a tuple of texts, 'a' the first"),
        ([[1, 2], [3]], "x is a list whose rows differ in length"),
        ([1, "a"], "x is a list of <U"),
        ([1.0, None], "x is a list of object"),
        (np.array(["a", "b"]), "x is a ndarray of <U1"),
        (np.array([1, None]), "x is a ndarray of object"),
        (np.array([[1, 2], [3]], dtype=object), "x is a ndarray whose rows differ in length"),
        (np.array([1j]), "x is a ndarray of complex128"),
        (torch.ones(2, dtype=torch.complex64), "x is a Tensor of complex64"),
        (np.zeros(2, dtype="M8[s]"), "x is a ndarray of datetime64[s]"),
        (np.zeros(2, dtype=[("a", "f4")]), "x is a ndarray of [('a', '<f4')]"),
        (pd.Series(["a", "b"]), "x is a Series of"),
        (
            pd.DataFrame({"age": [1, 2], "city": ["a", "b"], "day": pd.to_datetime([0, 1])}),
            "x is a DataFrame whose columns 'city', 'day' do not hold numbers alone",
        ),
        ((i for i in range(3)), "x is a generator; expected numbers"),
        (object, "x is a type; expected numbers"),
        ({}, "x is an empty dict"),
        ((), "x is an empty tuple"),
        ([], "x is an empty list"),
        (np.ma.masked_less(np.array(ROWS), 2.0), "x has masked entries; give x.filled(...)"),
        (scipy.sparse.csr_matrix(ROWS), "x is a sparse csr_matrix; give x.toarray()"),
        (torch.eye(2).to_sparse(), "x is a sparse Tensor; give x.to_dense()"),
        (np.array([2**63], dtype="uint64"), "x holds 9223372036854775808, which is beyond int64"),
    ],
    ids=lambda data: type(data).__name__,
)
def test_what_is_no_array_of_numbers_is_told_by_its_kind(data: Any, text: str) -> None:
    assert text in problem_of(data)


def test_what_is_no_array_is_a_type_error_that_says_where() -> None:
    with pytest.raises(UsageTypeError, match=r"x\['b'\]\[1\] is a ndarray of <U1"):
        made({"a": [1.0], "b": (np.zeros(2), np.array(["x"]))})


@pytest.mark.parametrize(
    "data",
    [None, 5, "text", b"bytes", [], {}, (), object(), (i for i in "ab"), {"a": "b"}, [None, 1.0]],
)
def test_what_is_no_array_is_not_taken_for_one(data: Any) -> None:
    assert not is_arrays(data)


def test_a_list_of_tuples_is_batches_and_a_tuple_of_tuples_several_inputs() -> None:
    a = np.zeros((2, 3))
    assert is_batches([(a, a), (a, a)])
    assert not is_arrays([(a, a), (a, a)])
    assert is_arrays(((a, a), a))
    assert is_arrays([a, a])
    assert not is_batches([(1.0, 2.0), (3.0, 4.0)])
    assert not is_batches([])


def test_lengths_that_differ_are_listed_shortly() -> None:
    problems = Problems("fit")
    length_problems(problems, x=torch.zeros(10, 2), y=(torch.zeros(9), None))
    assert list(problems) == [
        "the arrays differ in their number of rows: x has 10, y[0] has 9; give the same for all"
    ]
    problems = Problems("fit")
    length_problems(problems, x=[torch.zeros(3)] * 500, y=torch.zeros(500))
    assert "and 493 more" in next(iter(problems))
    assert len(next(iter(problems))) < 250


def test_empty_arrays_and_single_numbers_are_problems() -> None:
    problems = Problems("fit")
    assert length_problems(problems, x=torch.zeros(0, 2), y=torch.zeros(0)) == 0
    assert list(problems) == ["x, y has no rows; expected at least one"]
    problems = Problems("fit")
    length_problems(problems, x=torch.zeros(2), y=torch.tensor(1.0))
    assert list(problems) == ["y is a single number; expected one row for each sample"]


def test_making_tensors_leaves_the_filters_of_warnings_alone() -> None:
    array = np.zeros(3, dtype=np.float32)
    array.flags.writeable = False
    before = list(warnings.filters)
    made(array)
    assert warnings.filters == before
