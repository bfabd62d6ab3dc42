import json
from functools import partial

import pytest
import torch
from torch import nn
from torch.optim import lr_scheduler

from epochal import optimizers
from epochal.core.errors import UsageError, UsageTypeError
from epochal.optimizers import SGD, Adam, TorchOptimizer
from epochal.optimizers.schedules import CosineDecay, TorchSchedule

STEP = partial(lr_scheduler.StepLR, step_size=2, gamma=0.5)
CYCLE = partial(lr_scheduler.OneCycleLR, max_lr=0.1, total_steps=20)
MULTI = partial(lr_scheduler.MultiStepLR, milestones=[2, 5], gamma=0.5)
WARM = partial(lr_scheduler.CosineAnnealingWarmRestarts, T_0=3)

MAKERS = {
    "sgd": lambda: SGD(0.1),
    "momentum": lambda: SGD(0.1, momentum=0.9, nesterov=True),
    "adam": lambda: Adam(0.1, amsgrad=True),
    "adamw": lambda: optimizers.AdamW(0.1),
    "rmsprop": lambda: optimizers.RMSprop(0.1, momentum=0.5, centered=True),
    "adagrad": lambda: optimizers.Adagrad(0.1),
    "adadelta": lambda: optimizers.Adadelta(1.0),
    "adamax": lambda: optimizers.Adamax(0.1),
    "nadam": lambda: optimizers.Nadam(0.1),
    "adafactor": lambda: optimizers.Adafactor(0.1),
    "rprop": lambda: optimizers.Rprop(0.1),
    "accumulation": lambda: Adam(0.1, gradient_accumulation_steps=3),
    "averages": lambda: SGD(0.1, use_ema=True, ema_momentum=0.7, ema_overwrite_frequency=3),
    "schedule": lambda: Adam(CosineDecay(0.1, 8), gradient_accumulation_steps=2),
    "torch schedule": lambda: Adam(TorchSchedule(CYCLE)),
    "torch multi": lambda: SGD(TorchSchedule(MULTI, initial_learning_rate=0.1)),
    "torch factory": lambda: TorchOptimizer(partial(torch.optim.ASGD, lr=0.1), STEP),
    "torch warm": lambda: TorchOptimizer(partial(torch.optim.RAdam, lr=0.1), WARM, clipnorm=1.0),
}


def model():
    torch.manual_seed(0)
    # A ParameterList names its weights "0", "1", ...: names that must not meet our own keys.
    layers = nn.ModuleDict({"dense": nn.Linear(3, 2), "out": nn.Linear(2, 1)})
    return nn.Sequential(layers["dense"], nn.Tanh(), layers["out"])


def train(net, optimizer, steps):
    for step in steps:
        x = torch.randn(4, 3, generator=torch.Generator().manual_seed(step))
        net(x).square().mean().backward()
        optimizer.step()


def through_a_file(state):
    """What is left of a state that was written as tensors and JSON."""
    tensors = {k: v.detach().clone() for k, v in state.items() if isinstance(v, torch.Tensor)}
    rest = {k: v for k, v in state.items() if k not in tensors}
    return tensors | json.loads(json.dumps(rest))


@pytest.mark.parametrize("name", MAKERS)
@pytest.mark.parametrize("cut", [0, 1, 4, 7])
def test_a_run_cut_anywhere_goes_on_bit_for_bit(name, cut):
    whole, optimizer = model(), MAKERS[name]()
    optimizer.build(whole.named_parameters())
    train(whole, optimizer, range(cut))
    weights = {k: v.clone() for k, v in whole.state_dict().items()}
    state = through_a_file(optimizer.state_dict())
    train(whole, optimizer, range(cut, 10))

    resumed, again = model(), MAKERS[name]()
    again.build(resumed.named_parameters())
    train(resumed, again, range(20, 22))
    resumed.load_state_dict(weights)
    for parameter in resumed.parameters():
        parameter.grad = None
    again.load_state_dict(state)
    train(resumed, again, range(cut, 10))

    for key, value in whole.state_dict().items():
        assert torch.equal(value, resumed.state_dict()[key]), key
    assert again.iterations == optimizer.iterations
    assert again.learning_rate == optimizer.learning_rate
    optimizer.finalize_weights()
    again.finalize_weights()
    assert torch.equal(whole[0].weight, resumed[0].weight)


def test_a_rate_that_was_set_is_part_of_the_state():
    net, optimizer = model(), Adam(0.1)
    optimizer.build(net.named_parameters())
    optimizer.learning_rate = 0.025
    state = optimizer.state_dict()
    other = Adam(0.1)
    other.build(model().named_parameters())
    other.load_state_dict(state)
    assert other.learning_rate == 0.025


def test_state_is_named_by_what_it_is_and_whose():
    net, optimizer = model(), Adam(0.1)
    optimizer.build(net.named_parameters())
    train(net, optimizer, range(1))
    state = optimizer.state_dict()
    assert state["exp_avg/0.weight"].shape == (2, 3)
    assert state["iterations"] == 1
    assert all(isinstance(v, (torch.Tensor, int, float, str)) for v in state.values())


def test_swapped_averages_are_still_swapped_after_loading():
    net, optimizer = model(), SGD(0.1, use_ema=True)
    optimizer.build(net.named_parameters())
    train(net, optimizer, range(2))
    optimizer.swap_average()
    other_net, other = model(), SGD(0.1, use_ema=True)
    other.build(other_net.named_parameters())
    other_net.load_state_dict(net.state_dict())
    other.load_state_dict(optimizer.state_dict())
    other.swap_average()
    optimizer.swap_average()
    assert torch.equal(net[0].weight, other_net[0].weight)


def _load(state, net, optimizer):
    optimizer.build(net.named_parameters())
    optimizer.load_state_dict(state)


def _state(optimizer):
    net = model()
    optimizer.build(net.named_parameters())
    train(net, optimizer, range(1))
    return optimizer.state_dict()


def test_every_difference_in_names_and_shapes_is_listed_and_nothing_is_changed():
    other = nn.Sequential(nn.Linear(3, 4), nn.Tanh(), nn.Linear(4, 1, bias=False))
    optimizer = Adam(0.1)
    with pytest.raises(UsageError, match="problems") as raised:
        _load(_state(Adam(0.1)), other, optimizer)
    text = str(raised.value)
    assert "the state has the weight '2.bias'" in text
    assert "'0.weight' had 6 elements when the state was saved, and has 12" in text
    assert "'exp_avg/0.weight' has shape (2, 3), and the weight (4, 3)" in text
    assert optimizer.iterations == 0
    assert not optimizer.torch_optimizer.state


def test_a_weight_that_the_state_does_not_know_is_listed():
    net = model()
    net.add_module("3", nn.Linear(1, 1))
    with pytest.raises(UsageError, match=r"the model has the weight '3\.weight'"):
        _load(_state(SGD(0.1)), net, SGD(0.1))


def test_the_state_of_another_algorithm_or_version_is_refused():
    with pytest.raises(UsageError, match="saved by Adam, and this is SGD"):
        _load(_state(Adam()), model(), SGD())
    with pytest.raises(UsageError, match="version is 99"):
        _load(_state(Adam()) | {"version": 99}, model(), Adam())


class Remembers(torch.optim.SGD):
    """Keeps, beside tensors, a number, nothing, and on demand a list."""

    kept: object = None

    def step(self, closure=None):
        super().step(closure)
        for weight in self.param_groups[0]["params"]:
            self.state[weight] = {"count": 3, "nothing": None, "extra": self.kept}


def test_plain_numbers_of_an_algorithm_are_kept_and_nothings_left_out():
    state = _state(TorchOptimizer(partial(Remembers, lr=0.1)))
    assert state["count/0.weight"] == 3
    net, optimizer = model(), TorchOptimizer(partial(Remembers, lr=0.1))
    _load(state, net, optimizer)
    assert optimizer.torch_optimizer.state[net[0].weight] == {"count": 3}


def test_an_algorithm_that_remembers_what_no_file_can_hold_says_so():
    class Lists(Remembers):
        kept = ()

    with pytest.raises(UsageTypeError, match="keeps 'extra' as a tuple"):
        _state(TorchOptimizer(partial(Lists, lr=0.1)))
