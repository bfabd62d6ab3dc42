import numpy as np
import pytest
import torch

from epochal.core.errors import UsageError, UsageTypeError
from epochal.utils import normalize, to_categorical


@pytest.mark.parametrize(
    "labels", [[0, 2, 1], [[0, 1], [2, 2]], 2, np.array([True, False]), [1.0, 0.0]]
)
def test_each_label_becomes_its_row(labels):
    rows = to_categorical(labels, num_classes=4)
    assert rows.dtype == np.float32
    np.testing.assert_array_equal(rows, np.eye(4)[np.asarray(labels).astype(int)])


def test_the_number_of_classes_is_the_largest_label_plus_one():
    assert to_categorical([0, 4]).shape == (2, 5)


def test_a_last_axis_of_one_is_dropped():
    assert to_categorical([[0], [1], [2]]).tolist() == np.eye(3).tolist()
    assert to_categorical([1]).tolist() == [[0, 1]]


def test_tensors_give_tensors():
    rows = to_categorical(torch.tensor([1, 0]))
    assert isinstance(rows, torch.Tensor)
    assert rows.dtype == torch.float32
    assert rows.tolist() == [[0, 1], [1, 0]]


def test_no_labels_make_no_rows_if_the_classes_are_known():
    assert to_categorical(np.zeros(0, int), 3).shape == (0, 3)
    with pytest.raises(UsageError, match="give num_classes"):
        to_categorical([])


@pytest.mark.parametrize(
    ("labels", "classes", "words"),
    [
        (
            [0, 3, 1, 5],
            3,
            "2 of 4 labels are no class, first 3; expected whole numbers from 0 to 2",
        ),
        ([0, -1], None, "first -1; expected whole numbers from 0 to 0"),
        ([-2], None, "first -2"),
        ([0.5, 1.0], None, r"first 0\.5"),
        ([0.0, np.nan], None, "labels are no class"),
        (torch.tensor([4]), 3, "first 4"),
    ],
)
def test_labels_that_are_no_class_are_counted_and_shown(labels, classes, words):
    with pytest.raises(UsageError, match=words):
        to_categorical(labels, classes)


def test_text_is_no_label():
    with pytest.raises(UsageTypeError, match="expected whole numbers"):
        to_categorical(["cat", "dog"])
    with pytest.raises(UsageTypeError, match="did you mean 'num_classes'"):
        to_categorical([0], n_classes=3)


@pytest.mark.parametrize("order", [1, 2, 3, np.inf])
@pytest.mark.parametrize("axis", [0, 1, -1])
def test_vectors_get_length_one_for_arrays_and_tensors_alike(axis, order):
    x = np.random.default_rng(0).normal(size=(3, 4))
    x[:, 0] = x[0, :] = 0
    unit = normalize(x, axis=axis, order=order)
    lengths = np.linalg.norm(unit, ord=order, axis=axis)
    np.testing.assert_allclose(lengths[1:], 1)
    assert lengths[0] == 0
    tensor = normalize(torch.from_numpy(x), axis=axis, order=order)
    np.testing.assert_allclose(tensor.numpy(), unit)


def test_whole_numbers_become_float32_and_the_input_stays():
    x = np.array([[3, 4]])
    assert normalize(x).dtype == np.float32
    assert x.tolist() == [[3, 4]]
    assert normalize(torch.tensor([3, 4])).tolist() == pytest.approx([0.6, 0.8])


@pytest.mark.parametrize("x", [np.ones(3), torch.ones(3)])
def test_bad_axes_and_orders_are_errors(x):
    with pytest.raises(UsageError, match=r"axis 1 does not exist in shape \(3,\)"):
        normalize(x, axis=1)
    with pytest.raises(UsageError, match="order is 0; give a positive number"):
        normalize(x, order=0)
    with pytest.raises(UsageTypeError, match="expected numbers"):
        normalize(["a"])
