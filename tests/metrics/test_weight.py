"""A metric's weight stands for its value everywhere, and no older value ever changes."""

from typing import Any

import numpy as np
import pytest
import torch

from epochal import backend
from epochal.core.errors import UsageError
from epochal.initializers import Constant
from epochal.metrics.weight import Reduction, Weight


def weight(
    shape: Any = (),
    initializer: Any = "zeros",
    dtype: Any = torch.float64,
    reduction: Reduction = "sum",
) -> Weight:
    return Weight(shape, initializer, dtype, "total", reduction)


@pytest.mark.parametrize("value", [2, 2.0, np.float32(2), np.int64(2), np.array(2.0), True + 1])
def test_numbers_of_every_kind_can_be_assigned_added_and_subtracted(value: Any) -> None:
    total = weight()
    total.assign(value)
    assert float(total) == 2.0
    total.assign_add(value)
    assert float(total) == 4.0
    total.assign_sub(value)
    assert float(total) == 2.0
    assert total.value.dtype == torch.float64


@pytest.mark.parametrize(
    "value",
    [
        [1.0, 2.0],
        (1, 2),
        np.array([2.0, 1.0])[::-1],
        np.array([1, 2], dtype=">f4"),
        torch.tensor([1, 2]),
        torch.tensor([1.0, 2.0], requires_grad=True),
        weight(2, lambda shape: torch.tensor([1.0, 2.0])),
    ],
)
def test_arrays_of_every_kind_can_be_assigned_and_added(value: Any) -> None:
    if isinstance(value, np.ndarray) and not value.dtype.isnative:
        value = value.astype("f4")
    total = weight(2)
    total.assign(value)
    total.assign_add(value)
    assert total.value.tolist() == [2.0, 4.0]
    total.assign_sub(value)
    assert total.value.tolist() == [1.0, 2.0]
    assert not total.value.requires_grad


def test_a_number_fills_the_whole_weight() -> None:
    total = weight((2, 2))
    total.assign(1)
    total.assign_add(0.5)
    assert total.value.tolist() == [[1.5, 1.5], [1.5, 1.5]]


@pytest.mark.parametrize("value", [[1.0, 2.0, 3.0], [[1.0]], torch.ones(2, 2)])
def test_a_value_of_another_shape_is_refused(value: Any) -> None:
    for total in (weight(), weight(2)):
        for change in (total.assign, total.assign_add, total.assign_sub):
            with pytest.raises(UsageError, match=r"'total' has the shape .* sum or average it"):
                change(value)
        assert float(torch.as_tensor(total.value).sum()) == 0.0


def test_what_torch_cannot_add_is_told_as_torch_tells_it() -> None:
    with pytest.raises(TypeError):
        weight().assign_add(np.array(["text"]))
    assert float(weight((2, 2)).value.sum()) == 0.0


def test_a_row_is_added_to_every_row() -> None:
    table = weight((2, 2))
    table.assign_add([1.0, 2.0])
    assert table.value.tolist() == [[1.0, 2.0], [1.0, 2.0]]


def test_a_weight_for_concatenation_may_grow() -> None:
    seen = weight(0, reduction="concat")
    for part in ([1.0], [2.0, 3.0]):
        seen.assign(torch.cat([seen.value, torch.tensor(part)]))
    assert seen.value.tolist() == [1.0, 2.0, 3.0]


def test_older_values_stay_as_they_were() -> None:
    total, given = weight(2), torch.zeros(2, dtype=torch.float64)
    array = np.zeros(2)
    total.assign(given)
    snapshot = total.value
    given.add_(1)
    total.assign_add(5)
    assert snapshot.tolist() == [0.0, 0.0]
    total.assign(array)
    array += 1
    assert total.value.tolist() == [0.0, 0.0]
    total.numpy()[:] = 7
    np.asarray(total)[:] = 7
    assert total.value.tolist() == [0.0, 0.0]


def test_a_value_changed_in_place_by_a_user_does_not_reach_the_initial_one() -> None:
    total = weight()
    total.value += 3
    assert float(total) == 3.0
    total.reset()
    assert float(total) == 0.0


@pytest.mark.parametrize(
    ("initializer", "want"),
    [
        (None, 0.0),
        ("zeros", 0.0),
        ("Ones", 1.0),
        (3, 3.0),
        (-0.1, -0.1),
        (Constant(2.0), 2.0),
        (lambda shape: np.full(shape, 4.0), 4.0),
    ],
)
def test_weights_start_and_reset_as_their_initializer_says(initializer: Any, want: float) -> None:
    total = weight((3,), initializer)
    assert total.value.tolist() == [want] * 3
    total.assign_add(1.0)
    total.reset()
    assert total.value.tolist() == [want] * 3


def test_misspelt_settings_are_errors_that_name_the_nearest() -> None:
    with pytest.raises(UsageError, match="'zeros'"):
        weight(initializer="zeroes")
    with pytest.raises(UsageError, match="did you mean 'float32'"):
        weight(dtype="flot32")
    with pytest.raises(UsageError, match="did you mean 'max'"):
        weight(reduction="maxx")  # type: ignore[arg-type]
    assert weight(dtype="int32").value.dtype == torch.int32


def test_integer_weights_keep_their_type() -> None:
    count = weight(dtype="int32")
    count.assign_add(torch.tensor(2.7))
    assert int(count) == 2
    assert count.value.dtype == torch.int32


def test_arithmetic_and_comparisons_are_those_of_the_value() -> None:
    a, b = weight(initializer=6.0), weight(initializer=4.0)
    tensor = torch.tensor(4.0, dtype=torch.float64)
    for other in (b, tensor, 4, 4.0, np.float32(4)):
        assert float(a + other) == 10
        assert float(a - other) == 2
        assert float(a * other) == 24
        assert float(a / other) == 1.5
        assert float(a // other) == 1
        assert float(a % other) == 2
        assert float(a**other) == 6**4
        assert float(other + a) == 10
        assert float(other - a) == -2
        assert float(other * a) == 24
        assert float(other / a) == pytest.approx(4 / 6)
        assert float(other**a) == 4**6
        assert bool(a > other)
        assert bool(a >= other)
        assert not bool(a < other)
        assert not bool(a <= other)
        assert bool(a != other)
        assert not bool(a == other)
    for same in (a, tensor + 2, 6):
        assert bool(a <= same)
    assert float(-a) == -6
    assert float(abs(a - 10)) == float(abs(weight(initializer=-4.0))) == 4
    assert bool(a == 6)
    assert not weight()
    assert (int(a), a.item()) == (6, 6.0)


def test_updating_operators_keep_the_weight() -> None:
    total = kept = weight()
    total += 5
    total *= 3
    total -= torch.tensor(1.0)
    total /= 2
    assert total is kept
    assert float(kept) == 7.0
    kept.reset()
    assert float(total) == 0.0


def test_vectors_can_be_indexed_iterated_and_multiplied() -> None:
    vector = weight(3, lambda shape: torch.tensor([1.0, 2.0, 3.0]))
    assert len(vector) == 3
    assert [float(v) for v in vector] == [1.0, 2.0, 3.0]
    assert float(vector[1]) == 2.0
    assert float(vector @ vector) == 14.0


def test_torch_numpy_and_backend_take_it_for_a_tensor() -> None:
    a, b = weight(initializer=9.0), weight(initializer=16.0)
    assert float(torch.sqrt(a)) == 3.0
    assert torch.stack([a, b]).tolist() == [9.0, 16.0]  # type: ignore[list-item]
    assert float(torch.where(a == 9, a, b)) == 9.0  # type: ignore[call-overload]
    assert float(torch.clamp(a, max=torch.tensor(2.0))) == 2.0  # type: ignore[call-overload]
    assert float(np.sqrt(a)) == 3.0  # type: ignore[call-overload]
    assert float(backend.sqrt(b)) == 4.0
    assert float(backend.maximum(a, b)) == 16.0
    assert float(backend.sum([a, b])) == 25.0
    assert backend.get_value(a) == 9.0
    backend.set_value(a, 1.0)
    assert float(a) == 1.0
    assert np.asarray(a, dtype="float32").dtype == np.float32


def test_weights_are_told_apart_by_identity_in_sets_and_shown_by_name() -> None:
    a, b = weight(), weight()
    assert len({a, b}) == 2
    assert repr(a) == "<Weight total 0.0>"


def test_a_weight_moves_to_where_outputs_are_and_so_does_its_initial_value() -> None:
    total = weight(2)
    total.assign_add(torch.ones(2, device="meta"))
    assert total.value.device.type == "meta"
    total.reset()
    assert total.value.device.type == "meta"
