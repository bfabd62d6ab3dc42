import dataclasses

import pytest
import torch
from torch import nn

from epochal import losses
from epochal.core.errors import UsageError, UsageTypeError
from epochal.losses import FunctionLoss, TorchLoss


def _double(y_true, y_pred):
    return 2.0 * (y_true - y_pred).abs().mean(-1)


def test_a_function_is_reduced_and_weighted_as_a_loss():
    loss = losses.get(_double)
    assert loss.name == "_double"
    assert loss([[0.0], [0.0]], [[1.0], [3.0]]).item() == 4.0
    assert loss([[0.0], [0.0]], [[1.0], [3.0]], [1.0, 0.0]).item() == 1.0


def test_a_function_may_return_one_number():
    loss = FunctionLoss(lambda y_true, y_pred: (y_true - y_pred).abs().max(), name="worst")
    assert loss.name == "worst"
    assert loss([0.0, 0.0], [1.0, 3.0]).item() == 3.0


def test_a_function_may_take_all_outputs_of_a_model_at_once():
    def apart(y_true, outputs):
        return (outputs["a"] - y_true).abs() + (outputs["b"][0] - y_true).abs()

    outputs = {"a": torch.ones(2), "b": [torch.full((2,), 3.0)]}
    assert FunctionLoss(apart)(torch.zeros(2), outputs).item() == 4.0
    assert FunctionLoss(apart, dtype="float64")(torch.zeros(2), outputs).dtype == torch.float64
    pair = FunctionLoss(lambda y_true, outputs: outputs[0] - outputs[1])
    assert pair(torch.zeros(2), (torch.ones(2), torch.zeros(2))).item() == 1.0


def test_a_function_may_take_a_structure_of_the_users_own_as_it_is():
    @dataclasses.dataclass
    class Out:
        logits: torch.Tensor

    class Attributes(dict):
        def __getattr__(self, name):
            return self[name]

    loss = FunctionLoss(lambda y_true, out: (y_true - out.logits).abs())
    assert loss(torch.zeros(2), Out(torch.ones(2))).item() == 1.0
    assert loss(torch.zeros(2), Attributes(logits=torch.ones(2), past=None)).item() == 1.0


def test_a_function_compares_row_with_row():
    loss = FunctionLoss(lambda y_true, y_pred: (y_true - y_pred).square().mean())
    column = torch.tensor([[0.0], [1.0], [2.0]])
    for y_true, y_pred in (
        (column[:, 0], column),
        (column, column[:, 0]),
        (column.view(1, 3), column.view(1, 3, 1)),
        (column.view(1, 3, 1), column.view(1, 3)),
        (column, column),
    ):
        assert loss(y_true, y_pred).item() == 0.0
        assert not list(loss.check(y_true, y_pred))


def test_a_function_that_drops_the_last_dimension_itself_is_told_that_targets_have_it():
    loss = FunctionLoss(lambda y_true, y_pred: (y_true - y_pred[:, 0]).square().mean())
    y_true, y_pred = torch.tensor([0.0, 1.0, 2.0]), torch.tensor([[0.0], [1.0]])
    assert "every row meets every other" in "".join(loss.check(y_true, y_pred))
    assert not list(loss.check(y_true[:, None], y_pred))

    def picky(y_true, y_pred):
        assert y_true.shape == y_pred.shape
        return (y_true - y_pred).square().mean()

    assert not list(FunctionLoss(picky).check(y_true, y_pred))


def test_a_function_that_takes_predictions_first_is_refused():
    def focal(logits, targets, gamma=2.0):
        return (logits - targets).mean() * gamma

    with pytest.raises(UsageTypeError, match=r"focal\(logits, .* takes the outputs first"):
        losses.get(focal)


def test_a_callable_object_takes_its_class_name():
    class Gap:
        def __call__(self, y_true, y_pred):
            return y_pred - y_true

    assert losses.get(Gap()).name == "gap"


def test_a_function_that_returns_no_tensor_is_an_error():
    with pytest.raises(UsageTypeError, match="returned a float"):
        FunctionLoss(lambda y_true, y_pred: 1.0)([0.0], [0.0])
    with pytest.raises(UsageTypeError, match="give a function"):
        FunctionLoss("mse")


@pytest.mark.parametrize("given", [nn.MSELoss(), nn.MSELoss, losses.TorchLoss(nn.MSELoss())])
def test_a_torch_loss_aligns_rows_instead_of_broadcasting(given):
    loss = losses.get(given)
    assert loss(torch.tensor([0, 1, 2]), torch.tensor([[0.0], [1.0], [2.0]])).item() == 0.0


CASES = [
    (nn.MSELoss, {}, torch.rand(6, 3), torch.rand(6, 3)),
    (nn.L1Loss, {"reduction": "sum"}, torch.rand(6, 3), torch.rand(6, 3)),
    (nn.BCELoss, {}, torch.randint(2, (6,)), torch.rand(6, 1)),
    (nn.BCEWithLogitsLoss, {}, torch.randint(2, (6, 2)), torch.randn(6, 2)),
    (nn.KLDivLoss, {"reduction": "batchmean"}, torch.rand(6, 3), -torch.rand(6, 3)),
    (nn.CrossEntropyLoss, {}, torch.randint(3, (6,)), torch.randn(6, 3)),
    (nn.CrossEntropyLoss, {}, torch.randint(3, (6, 1)).float(), torch.randn(6, 3)),
    (nn.CrossEntropyLoss, {}, torch.randint(3, (6, 4)), torch.randn(6, 3, 4)),
    (
        nn.CrossEntropyLoss,
        {"weight": torch.tensor([1.0, 2.0, 5.0])},
        torch.tensor([0, 1, 2] * 2),
        torch.randn(6, 3),
    ),
    (nn.CrossEntropyLoss, {"ignore_index": 1}, torch.tensor([0, 1, 2] * 2), torch.randn(6, 3)),
    (nn.CrossEntropyLoss, {"label_smoothing": 0.1}, torch.eye(3)[[0, 1, 2] * 2], torch.randn(6, 3)),
    (
        nn.NLLLoss,
        {"weight": torch.tensor([1.0, 2.0, 5.0]), "ignore_index": -1},
        torch.tensor([0, -1, 2] * 2),
        -torch.rand(6, 3),
    ),
    (nn.MultiMarginLoss, {}, torch.randint(3, (6,)).float(), torch.randn(6, 3)),
    (nn.MultiLabelMarginLoss, {}, torch.tensor([[0, -1, -1]] * 6), torch.randn(6, 3)),
    (nn.MultiLabelSoftMarginLoss, {}, torch.randint(2, (6, 3)), torch.randn(6, 3)),
]


@pytest.mark.parametrize(
    ("module", "config", "y_true", "y_pred"), CASES, ids=lambda v: getattr(v, "__name__", "")
)
def test_weights_of_one_leave_a_torch_loss_as_it_is(module, config, y_true, y_pred):
    loss = TorchLoss(module(**config))
    torch.testing.assert_close(loss(y_true, y_pred, torch.ones(6)), loss(y_true, y_pred))


def test_a_torch_loss_gives_the_modules_own_value():
    y_pred, labels = torch.randn(6, 3), torch.randint(3, (6,))
    module = nn.CrossEntropyLoss(label_smoothing=0.1)
    assert TorchLoss(module)(labels, y_pred) == module(y_pred, labels)


def test_a_weight_of_zero_takes_a_sample_out_of_a_torch_loss():
    loss = TorchLoss(nn.MSELoss())
    assert loss([0.0, 0.0], [[1.0], [9.0]], [1.0, 0.0]).item() == 0.5


def test_a_torch_loss_without_reduction_is_averaged():
    assert TorchLoss(nn.MSELoss(reduction="none"))([[0.0], [0.0]], [[1.0], [3.0]]).item() == 5.0


class PerSample(nn.Module):
    def forward(self, y_pred, y_true):
        assert y_pred.shape == y_true.shape
        return (y_pred - y_true).abs().mean(-1)


class OneNumber(nn.Module):
    def forward(self, y_pred, y_true):
        return (y_pred - y_true).abs().mean()


def test_a_module_of_ones_own_is_called_with_predictions_first():
    loss = losses.get(PerSample)
    assert loss.name == "per_sample"
    assert loss(torch.zeros(2, dtype=torch.float64), [[1.0], [3.0]]).item() == 2.0
    assert loss([0.0, 0.0], [[1.0], [3.0]], [1.0, 0.0]).item() == 0.5


def test_a_module_of_ones_own_may_take_all_outputs_of_a_model_at_once():
    class Both(nn.Module):
        def forward(self, outputs, y_true):
            return (outputs[0] - y_true).abs().mean() + outputs[1].mean()

    assert losses.get(Both)(torch.zeros(2), (torch.ones(2), torch.ones(2))).item() == 2.0


def test_a_module_that_gives_one_number_cannot_be_weighted_and_says_so():
    with pytest.raises(UsageError, match="one number for the whole batch"):
        losses.get(OneNumber)([0.0], [1.0], [1.0])


def test_the_modules_tensors_move_with_it_also_for_weighted_batches():
    loss = TorchLoss(nn.CrossEntropyLoss(weight=torch.tensor([1.0, 2.0])))
    loss.to("meta")
    assert loss.module.weight.device.type == "meta"
    y_pred = torch.zeros(2, 2, device="meta")
    weighted = loss(
        torch.zeros(2, dtype=torch.long, device="meta"), y_pred, torch.ones(2, device="meta")
    )
    assert weighted.device.type == "meta"


@pytest.mark.parametrize("module", [nn.CTCLoss(), nn.TripletMarginLoss(), nn.GaussianNLLLoss()])
def test_modules_that_take_more_than_targets_are_refused(module):
    with pytest.raises(UsageTypeError, match="more than predictions and targets"):
        losses.get(module)


def test_what_is_no_module_is_refused():
    with pytest.raises(UsageTypeError, match=r"give a torch\.nn loss"):
        TorchLoss("mse")


@pytest.mark.parametrize(
    ("module", "y_true", "y_pred", "hint"),
    [
        (nn.CrossEntropyLoss(), torch.tensor([0, 3]), torch.randn(2, 3), "got 3; end the model"),
        (nn.CrossEntropyLoss(), torch.tensor([0, -100]), torch.randn(2, 3), ""),
        (nn.CrossEntropyLoss(), torch.eye(3), torch.randn(2, 3), ""),
        (nn.CrossEntropyLoss(), torch.tensor([0, 1]), torch.full((2, 2), 0.5), "takes logits"),
        (nn.NLLLoss(), torch.eye(3), -torch.rand(2, 3), "takes integer labels"),
        (nn.CrossEntropyLoss(), torch.zeros(2), torch.zeros(2), "one output per class"),
        (nn.CrossEntropyLoss(), torch.zeros(2, 7), torch.zeros(2, 7, 3), "movedim(-1, 1)"),
        (nn.BCELoss(), torch.tensor([0, 1]), torch.tensor([[3.0]]), "use BCEWithLogitsLoss"),
        (nn.BCEWithLogitsLoss(), torch.tensor([0, 1]), torch.tensor([[3.0]]), ""),
        (nn.MSELoss(), torch.zeros(2, 3), torch.zeros(2, 1), "(N, 3)"),
        (PerSample(), torch.zeros(2, 3), torch.zeros(2, 1), ""),
    ],
)
def test_a_torch_loss_checks_what_its_module_would_not_take(module, y_true, y_pred, hint):
    text = " | ".join(TorchLoss(module).check(y_true, y_pred))
    assert hint in text
    assert bool(hint) == bool(text)
