import functools

import pytest
import torch
import torch.nn.functional as F

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


LOGITS = torch.tensor([[0.5, -1.0], [2.0, 0.1], [-0.3, 0.4]])


@pytest.mark.parametrize(
    ("function", "keywords", "y_true", "y_pred"),
    [
        (F.binary_cross_entropy, {}, LOGITS.sigmoid().round(), LOGITS.sigmoid()),
        (F.binary_cross_entropy_with_logits, {"pos_weight": torch.tensor(2.0)}, LOGITS > 0, LOGITS),
        (F.cross_entropy, {"label_smoothing": 0.1}, torch.tensor([0, 1, 1]), LOGITS),
        (F.huber_loss, {"delta": 0.5}, LOGITS + 1, LOGITS),
        (F.kl_div, {"reduction": "batchmean"}, LOGITS.softmax(1), LOGITS.log_softmax(1)),
        (F.l1_loss, {}, LOGITS + 1, LOGITS),
        (F.mse_loss, {"reduction": "sum"}, LOGITS + 1, LOGITS),
        (F.multi_margin_loss, {}, torch.tensor([0, 1, 1]), LOGITS),
        (F.multilabel_margin_loss, {}, torch.tensor([[0, -1], [1, -1], [0, 1]]), LOGITS),
        (F.multilabel_soft_margin_loss, {}, (LOGITS > 0).float(), LOGITS),
        (F.nll_loss, {"ignore_index": 1}, torch.tensor([0, 1, 1]), LOGITS.log_softmax(1)),
        (F.poisson_nll_loss, {"full": True}, LOGITS.round().abs(), LOGITS),
        (F.smooth_l1_loss, {"beta": 0.5}, LOGITS + 1, LOGITS),
        (F.soft_margin_loss, {}, LOGITS.sign(), LOGITS),
    ],
    ids=lambda value: getattr(value, "__name__", ""),
)
def test_a_function_of_torch_is_called_as_torch_calls_it(function, keywords, y_true, y_pred):
    wanted = function(y_pred, y_true.float() if y_true.dtype == torch.bool else y_true, **keywords)
    loss = losses.get(functools.partial(function, **keywords))
    assert loss.name == function.__name__
    torch.testing.assert_close(loss(y_true, y_pred), wanted)
    if not keywords:
        torch.testing.assert_close(losses.get(function)(y_true, y_pred), wanted)


def test_a_function_of_torch_aligns_rows_instead_of_broadcasting():
    assert losses.get(F.mse_loss)(torch.tensor([0.0, 1.0]), torch.tensor([[0.0], [1.0]])) == 0.0
