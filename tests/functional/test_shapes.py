import numpy as np
import pytest
import torch

from epochal.core.errors import UsageError
from epochal.functional.shapes import align, as_tensor, class_indices, match_weights


def test_rows_meet_rows_when_only_one_side_has_a_last_dimension_of_one():
    for true_shape, pred_shape in [((4,), (4, 1)), ((4, 1), (4,))]:
        y_true, y_pred = align(torch.zeros(true_shape), torch.zeros(pred_shape))
        assert y_true.shape == y_pred.shape == (4, 1)


def test_a_last_dimension_of_one_is_dropped_from_sequences_as_keras_does():
    for true_shape, pred_shape in [((4, 3), (4, 3, 1)), ((4, 3, 1), (4, 3))]:
        y_true, y_pred = align(torch.zeros(true_shape), torch.zeros(pred_shape))
        assert y_true.shape == y_pred.shape == (4, 3)


@pytest.mark.parametrize(
    ("true_shape", "pred_shape"), [((4, 3), (4, 1)), ((4,), (4, 4)), ((3,), (4,))]
)
def test_shapes_that_would_broadcast_are_an_error_with_both_shapes(true_shape, pred_shape):
    with pytest.raises(UsageError, match="same shape") as raised:
        align(torch.zeros(true_shape), torch.zeros(pred_shape))
    assert str(true_shape) in str(raised.value)
    assert str(pred_shape) in str(raised.value)


def test_targets_take_the_type_of_the_predictions_and_halves_become_float32():
    y_true, y_pred = align(np.array([1.0, 0.0]), torch.zeros(2))
    assert y_true.dtype == y_pred.dtype == torch.float32
    y_true, y_pred = align(torch.tensor([1, 0]), torch.zeros(2, dtype=torch.bfloat16))
    assert y_true.dtype == y_pred.dtype == torch.float32
    y_true, y_pred = align([1, 0], torch.zeros(2, dtype=torch.float64))
    assert y_true.dtype == y_pred.dtype == torch.float64


def test_arrays_of_float64_become_float32_and_integers_stay():
    assert as_tensor(np.zeros(2)).dtype == torch.float32
    assert as_tensor(np.zeros(2, dtype=np.int32)).dtype == torch.int32
    tensor = torch.zeros(1, dtype=torch.float64)
    assert as_tensor(tensor) is tensor


def test_class_labels_of_another_shape_than_the_scores_are_an_error():
    with pytest.raises(UsageError, match="without its class axis, here"):
        class_indices(torch.zeros(4, 3), torch.zeros(4, 3))
    labels, _ = class_indices([[1.0], [2.0]], torch.zeros(2, 3))
    assert labels.tolist() == [1, 2]


def test_weights_per_sample_reach_every_value_of_their_sample():
    values = torch.ones(2, 2)
    weighted = values * match_weights([1.0, 0.0], values)
    assert weighted.tolist() == [[1.0, 1.0], [0.0, 0.0]]
    assert match_weights(np.ones((2, 1)), torch.ones(2)).shape == (2,)
    assert match_weights(2.0, values).shape == ()
    assert match_weights(torch.ones(2, 2), values).shape == (2, 2)


@pytest.mark.parametrize("shape", [(3,), (2, 3), (2, 2, 2)])
def test_weights_that_belong_to_no_row_are_an_error(shape):
    with pytest.raises(UsageError, match="one weight per sample"):
        match_weights(torch.ones(shape), torch.ones(2, 2))
