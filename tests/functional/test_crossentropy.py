import math

import pytest
import torch

from epochal.functional import crossentropy as ce


def test_a_nan_prediction_gives_a_nan_error_and_no_exception():
    y_pred = torch.tensor([[math.nan], [0.5]])
    errors = ce.binary_crossentropy(torch.tensor([[1.0], [1.0]]), y_pred)
    assert math.isnan(errors[0])
    assert errors[1] == pytest.approx(math.log(2))


def test_a_total_miss_costs_what_clipping_at_1e_7_allows():
    assert ce.binary_crossentropy([[1.0]], [[0.0]]).item() == pytest.approx(16.118, abs=1e-3)
    assert ce.sparse_categorical_crossentropy([0], [[0.0, 1.0]]).item() == pytest.approx(
        16.118, abs=1e-3
    )


@pytest.mark.parametrize("y_true", [0.0, 0.3, 1.0])
def test_the_gradient_of_the_binary_crossentropy_through_a_sigmoid_is_p_minus_y(y_true):
    logits = torch.linspace(-12, 12, 25).reshape(-1, 1).requires_grad_()
    p = logits.sigmoid()
    ce.binary_crossentropy(torch.full((25, 1), y_true), p).sum().backward()
    torch.testing.assert_close(logits.grad, p.detach() - y_true, rtol=0, atol=5e-7)


def test_probabilities_and_their_logits_give_the_same_errors():
    logits = torch.randn(8, 4, generator=torch.Generator().manual_seed(0))
    labels = torch.arange(8) % 4
    one_hot = torch.eye(4)[labels]
    for function, target in [
        (ce.categorical_crossentropy, one_hot),
        (ce.categorical_focal_crossentropy, one_hot),
        (ce.sparse_categorical_crossentropy, labels),
    ]:
        from_logits = function(target, logits, from_logits=True)
        torch.testing.assert_close(function(target, logits.softmax(-1)), from_logits)


def test_classes_may_stand_on_another_axis():
    p = torch.rand(2, 3, 5, generator=torch.Generator().manual_seed(0))
    labels = torch.randint(3, (2, 5), generator=torch.Generator().manual_seed(1))
    for from_logits in (False, True):
        got = ce.sparse_categorical_crossentropy(labels, p, from_logits, axis=1)
        same = ce.sparse_categorical_crossentropy(labels, p.movedim(1, -1), from_logits)
        torch.testing.assert_close(got, same)


def test_an_ignored_label_may_lie_outside_of_the_classes_and_costs_nothing():
    for from_logits in (False, True):
        errors = ce.sparse_categorical_crossentropy(
            [-1, 0], [[0.5, 0.5]] * 2, from_logits, ignore_class=-1
        )
        assert errors.tolist() == pytest.approx([0.0, math.log(2)])


def test_the_generalized_crossentropy_has_a_finite_gradient_at_probability_zero():
    p = torch.tensor([[0.0, 1.0]], requires_grad=True)
    ce.categorical_generalized_cross_entropy([0], p).sum().backward()
    assert bool(torch.isfinite(p.grad).all())


def test_half_precision_predictions_are_computed_in_float32():
    p = torch.tensor([[1.0]], dtype=torch.bfloat16)
    error = ce.binary_crossentropy([[0.0]], p)
    assert error.dtype == torch.float32
    assert math.isfinite(error.item())
