from functools import partial

import pytest
import torch
from torch import nn
from torch.optim import lr_scheduler

from epochal import optimizers
from epochal.core.errors import UsageError, UsageTypeError
from epochal.optimizers import SGD, TorchOptimizer


def step(layer, optimizer):
    layer(torch.ones(1, 2)).sum().backward()
    optimizer.step()


@pytest.mark.parametrize(
    "given",
    [
        partial(torch.optim.SGD, lr=0.1),
        lambda weights: torch.optim.SGD(weights, lr=0.1),
    ],
)
def test_a_factory_makes_the_optimizer_of_the_models_weights(given):
    layer = nn.Linear(2, 1)
    before = layer.bias.item()
    optimizer = optimizers.get(given)
    with pytest.raises(UsageError, match="not known before"):
        _ = optimizer.learning_rate
    optimizer.build(layer.named_parameters())
    assert optimizer.learning_rate == 0.1
    step(layer, optimizer)
    assert layer.bias.item() == pytest.approx(before - 0.1)


def test_a_rate_set_before_the_optimizer_is_made_is_kept():
    layer = nn.Linear(2, 1)
    optimizer = optimizers.get(torch.optim.ASGD)
    optimizer.learning_rate = 0.5
    assert optimizer.learning_rate == 0.5
    optimizer.build(layer.named_parameters())
    assert optimizer.learning_rate == 0.5


def test_an_optimizer_made_already_is_used_as_it_is():
    layer = nn.Linear(2, 1)
    inner = torch.optim.Adamax(layer.parameters(), lr=0.3)
    optimizer = optimizers.get(inner)
    assert optimizer.learning_rate == 0.3
    optimizer.build(layer.named_parameters())
    assert optimizer.torch_optimizer is inner


def test_epochals_pieces_work_around_any_optimizer():
    layer = nn.Linear(2, 1, bias=False)
    nn.init.ones_(layer.weight)
    given = partial(torch.optim.SGD, lr=1.0)
    optimizer = TorchOptimizer(given, clipvalue=0.25, weight_decay=0.5, name="mine")
    optimizer.build(layer.named_parameters())
    step(layer, optimizer)
    assert layer.weight.tolist() == [[0.25, 0.25]]
    assert optimizer.name == "mine"


def test_weights_missing_and_foreign_are_reported_together():
    layer, other = nn.Linear(2, 1), nn.Linear(3, 1)
    inner = torch.optim.SGD([layer.weight, other.weight], lr=0.1)
    optimizer = TorchOptimizer(inner)
    with pytest.raises(UsageError, match="2 problems") as raised:
        optimizer.build(layer.named_parameters())
    assert "trainable weights bias" in str(raised.value)
    assert "1 weights that are not the model's, of shapes (1, 3)" in str(raised.value)
    assert not optimizer.built


def test_frozen_weights_may_be_missing():
    layer = nn.Linear(2, 1)
    layer.bias.requires_grad_(False)
    optimizer = TorchOptimizer(torch.optim.SGD([layer.weight], lr=0.1))
    optimizer.build(layer.named_parameters())
    assert optimizer.built


def test_an_optimizer_that_needs_a_closure_is_refused():
    with pytest.raises(UsageTypeError, match="closure"):
        optimizers.get(torch.optim.LBFGS).build(nn.Linear(2, 1).named_parameters())


@pytest.mark.parametrize("by", ["batch", "epoch"])
@pytest.mark.parametrize("bound", [True, False])
def test_a_scheduler_steps_by_batch_or_epoch(by, bound):
    layer = nn.Linear(2, 1)
    inner = torch.optim.SGD(layer.parameters(), lr=1.0)
    made = partial(lr_scheduler.StepLR, step_size=1, gamma=0.5)
    optimizer = TorchOptimizer(inner, made(inner) if bound else made, by=by)
    optimizer.build(layer.named_parameters())
    step(layer, optimizer)
    assert optimizer.learning_rate == (0.5 if by == "batch" else 1.0)
    optimizer.end_epoch()
    assert optimizer.learning_rate == 0.5
    with pytest.raises(UsageTypeError, match="scheduler of torch"):
        optimizer.learning_rate = 0.1


def test_a_scheduler_of_another_optimizer_is_refused():
    layer = nn.Linear(2, 1)
    inner, other = (torch.optim.SGD(layer.parameters(), lr=1.0) for _ in range(2))
    optimizer = TorchOptimizer(inner, lr_scheduler.StepLR(other, 1))
    with pytest.raises(UsageTypeError, match="belongs to another optimizer"):
        optimizer.build(layer.named_parameters())


@pytest.mark.parametrize(
    "make",
    [
        lambda: TorchOptimizer(SGD()),
        lambda: TorchOptimizer("SGD"),
        lambda: TorchOptimizer(torch.optim.SGD, lr_scheduler=3),
        lambda: TorchOptimizer(torch.optim.SGD, by="step"),
        lambda: TorchOptimizer(torch.optim.SGD, clip_norm=1.0),
        lambda: TorchOptimizer(lambda weights: None).build(nn.Linear(2, 1).named_parameters()),
    ],
)
def test_what_is_no_optimizer_scheduler_or_argument_is_refused(make):
    with pytest.raises(UsageTypeError):
        make()


def test_a_rate_held_in_a_tensor_stays_in_its_tensor_when_loaded():
    def made():
        layer = nn.Linear(2, 1)
        inner = torch.optim.SGD(layer.parameters(), lr=torch.tensor(0.5))
        optimizer = TorchOptimizer(inner)
        optimizer.build(layer.named_parameters())
        return inner, optimizer

    _, first = made()
    first.learning_rate = 0.25
    inner, second = made()
    second.load_state_dict(first.state_dict())
    assert torch.equal(inner.param_groups[0]["lr"], torch.tensor(0.25))
