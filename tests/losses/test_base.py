import math

import numpy as np
import pytest
import torch

from epochal import losses
from epochal.core.errors import UsageError, UsageTypeError
from epochal.losses import Loss, MeanSquaredError, reduce


class Scaled(losses.Huber):
    """Rewrites `call` alone, as a user would."""

    def call(self, y_true, y_pred):
        return 10.0 * super().call(y_true, y_pred)


def test_a_subclass_that_rewrites_call_is_not_answered_by_its_parents_kernel():
    assert Scaled()([[0.0]], [[1.0]]).item() == 5.0


def test_lists_arrays_and_tensors_give_the_same_loss():
    y_true, y_pred = [[0.0, 1.0]], [[0.5, 0.5]]
    expected = losses.MeanSquaredError()(torch.tensor(y_true), torch.tensor(y_pred))
    assert losses.MeanSquaredError()(y_true, y_pred) == expected
    assert losses.MeanSquaredError()(np.array(y_true), np.array(y_pred)) == expected


@pytest.mark.parametrize("name", ["mse", "mae", "huber", "binary_crossentropy", "log_cosh"])
def test_weights_of_one_change_nothing(name):
    generator = torch.Generator().manual_seed(0)
    y_true, y_pred = torch.rand(2, 8, 3, generator=generator)
    loss = losses.get(name)
    torch.testing.assert_close(loss(y_true, y_pred, torch.ones(8)), loss(y_true, y_pred))


def test_a_weighted_mean_divides_by_the_number_of_samples_or_by_the_weights():
    y_true, y_pred, weights = [[0.0], [0.0]], [[1.0], [2.0]], [1.0, 0.0]
    assert MeanSquaredError()(y_true, y_pred, weights).item() == 0.5
    by_weight = MeanSquaredError(reduction="mean_with_sample_weight")
    assert by_weight(y_true, y_pred, weights).item() == 1.0
    assert by_weight(y_true, y_pred, [0.0, 0.0]).item() == 0.0
    assert by_weight(y_true, y_pred).item() == 2.5


def test_weights_per_sample_weigh_whole_sequences():
    y_true, y_pred = torch.zeros(2, 2, 1), torch.ones(2, 2, 1)
    for name in ("sum_over_batch_size", "mean_with_sample_weight"):
        loss = MeanSquaredError(reduction=name)(y_true, y_pred, [2.0, 0.0])
        assert loss.item() == 1.0


def test_a_mask_makes_the_mean_one_over_what_counts():
    loss = losses.SparseCategoricalCrossentropy(ignore_class=-1)
    y_pred = torch.full((4, 2), 0.5)
    assert loss([0, 1, -1, -1], y_pred).item() == pytest.approx(math.log(2))
    assert loss([-1] * 4, y_pred).item() == 0.0
    assert loss([0, 1, -1, -1], y_pred, [1.0, 0.0, 5.0, 5.0]).item() == pytest.approx(
        math.log(2) / 2
    )


def test_reduction_none_returns_the_weighted_errors():
    for reduction in (None, "none"):
        loss = MeanSquaredError(reduction=reduction)
        assert loss([[0.0], [0.0]], [[1.0], [2.0]], [1.0, 3.0]).tolist() == [1.0, 12.0]
    assert reduce(torch.tensor(3.0), [1.0, 3.0]).item() == 6.0


def test_dtype_decides_what_the_loss_is_computed_in():
    loss = MeanSquaredError(dtype="float64")
    assert loss([[0.0]], [[1.0]]).dtype == torch.float64
    assert loss.get_config()["dtype"] == "float64"
    assert MeanSquaredError(dtype=torch.float64).dtype == "float64"


@pytest.mark.parametrize(
    ("arguments", "hint"),
    [({"reduction": "avg"}, "reduction 'avg'"), ({"dtype": "float31"}, "did you mean 'float32'")],
)
def test_a_wrong_reduction_or_dtype_is_an_error(arguments, hint):
    with pytest.raises(UsageError, match=hint):
        MeanSquaredError(**arguments)


def test_a_misspelt_argument_names_the_loss_and_the_nearest_argument():
    with pytest.raises(UsageTypeError, match=r"MeanSquaredError.*did you mean 'reduction'"):
        MeanSquaredError(reducton="sum")
    with pytest.raises(UsageTypeError, match=r"BinaryCrossentropy.*did you mean 'from_logits'"):
        losses.BinaryCrossentropy(from_logit=True)


@pytest.mark.parametrize(
    "make",
    [
        lambda: losses.BinaryCrossentropy(label_smoothing=1.5),
        lambda: losses.BinaryFocalCrossentropy(label_smoothing=-0.1),
        lambda: losses.CategoricalCrossentropy(label_smoothing=2),
        lambda: losses.CategoricalFocalCrossentropy(label_smoothing=2),
        lambda: losses.CategoricalGeneralizedCrossEntropy(q=1.0),
        lambda: losses.Huber(delta=0),
    ],
)
def test_an_option_out_of_range_is_an_error(make):
    with pytest.raises(UsageError, match="give a number"):
        make()


def test_a_loss_without_call_says_so():
    with pytest.raises(NotImplementedError, match="no call"):
        Loss()([0.0], [0.0])
    assert list(Loss().check(torch.zeros(1), torch.zeros(1))) == []
    Loss().to("cpu")
    assert Loss.direction == "min"


def test_gradients_flow_through_every_loss():
    generator = torch.Generator().manual_seed(0)
    for name in losses.__all__:
        loss_class = getattr(losses, name)
        if not name[0].isupper() or name in ("Loss", "FunctionLoss", "TorchLoss"):
            continue
        logits = torch.randn(4, 3, generator=generator, requires_grad=True)
        sparse = name.startswith("Sparse") or "Generalized" in name
        y_true = torch.tensor([0, 2, 1, 1]) if sparse else torch.eye(3)[[0, 2, 1, 1]]
        loss_class()(y_true, logits.softmax(-1)).backward()
        assert bool(torch.isfinite(logits.grad).all()), name
        assert bool((logits.grad != 0).any()), name
