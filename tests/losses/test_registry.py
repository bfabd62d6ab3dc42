import pytest
import torch

from epochal import losses
from epochal.core.errors import UsageError, UsageTypeError


@pytest.mark.parametrize(
    ("name", "cls"),
    [
        ("mse", losses.MeanSquaredError),
        ("MSE", losses.MeanSquaredError),
        ("mean_squared_error", losses.MeanSquaredError),
        ("MeanSquaredError", losses.MeanSquaredError),
        ("logcosh", losses.LogCosh),
        ("log_cosh", losses.LogCosh),
        ("huber", losses.Huber),
        ("KLD", losses.KLDivergence),
        ("kl_divergence", losses.KLDivergence),
        ("bce", losses.BinaryCrossentropy),
        ("categorical_generalized_cross_entropy", losses.CategoricalGeneralizedCrossEntropy),
        (losses.Dice, losses.Dice),
        (losses.mean_squared_error, losses.MeanSquaredError),
    ],
)
def test_a_loss_is_found_by_each_of_its_names(name, cls):
    assert type(losses.get(name)) is cls


def test_an_instance_is_returned_as_it_is():
    loss = losses.Huber()
    assert losses.get(loss) is loss


def test_an_unknown_name_points_at_the_nearest():
    with pytest.raises(UsageError, match="did you mean 'mean_squared_error'"):
        losses.get("mean_square_error")


@pytest.mark.parametrize("given", [None, 3, ["mse"]])
def test_what_is_no_loss_is_refused(given):
    with pytest.raises(UsageTypeError, match="a loss was given as"):
        losses.get(given)


# Base and adapters hold code, which JSON does not.
@pytest.mark.parametrize(
    "name", [n for n in losses.__all__ if n[0].isupper() and not n.endswith("Loss")]
)
def test_every_loss_survives_the_way_through_json(name):
    loss = getattr(losses, name)(reduction="sum", name="mine")
    again = losses.deserialize(losses.serialize(loss))
    assert type(again) is type(loss)
    assert again.get_config() == loss.get_config()
    assert losses.get(losses.serialize(loss)).name == "mine"


@pytest.mark.parametrize(
    ("y_true", "y_pred", "cls"),
    [
        (torch.zeros(4), torch.zeros(2, 1), losses.BinaryCrossentropy),
        (torch.zeros(4), torch.zeros(2), losses.BinaryCrossentropy),
        (torch.zeros(4), torch.zeros(2, 3), losses.SparseCategoricalCrossentropy),
        (torch.zeros(4, 1), torch.zeros(2, 3), losses.SparseCategoricalCrossentropy),
        (torch.zeros(4, 3), torch.zeros(2, 3), losses.CategoricalCrossentropy),
    ],
)
def test_crossentropy_is_resolved_from_the_shapes(y_true, y_pred, cls):
    assert type(losses.resolve_crossentropy(y_true, y_pred)) is cls
