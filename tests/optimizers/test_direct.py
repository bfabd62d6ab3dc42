"""Direct kernels give bit for bit what `torch.optim` gives, and step aside where they cannot."""

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.optim.optimizer import register_optimizer_step_pre_hook

from epochal import optimizers
from epochal.optimizers import Optimizer
from epochal.optimizers.direct import direct_update

Make = Callable[[], Optimizer]

ADAMS: dict[str, Make] = {
    "adam": lambda: optimizers.Adam(0.01),
    "adam amsgrad": lambda: optimizers.Adam(0.01, amsgrad=True),
    "adamw": lambda: optimizers.AdamW(0.01, weight_decay=0.1),
}
SGDS: dict[str, Make] = {
    "sgd": lambda: optimizers.SGD(0.1),
    "momentum": lambda: optimizers.SGD(0.1, momentum=0.9),
    "nesterov": lambda: optimizers.SGD(0.1, momentum=0.9, nesterov=True),
}
ALL = {**ADAMS, **SGDS, "clipped": lambda: optimizers.Adam(0.01, clipnorm=0.5)}


class Run:
    """A small net on fixed data, updated by one of our optimizers or by torch's own step."""

    def __init__(self, make: Make, *, by_torch: bool = False) -> None:
        torch.manual_seed(0)
        self.net = nn.Sequential(nn.Linear(3, 5), nn.Tanh(), nn.Linear(5, 1))
        self.x, self.y = torch.randn(8, 3), torch.randn(8, 1)
        self.optimizer = make()
        self.optimizer.build(self.net.named_parameters())
        if by_torch:
            self.optimizer._seeks_direct = False

    def steps(self, count: int) -> None:
        for _ in range(count):
            (self.net(self.x) - self.y).square().mean().backward()
            self.optimizer.step()

    @property
    def is_direct(self) -> bool:
        """Whether the next update goes straight to the kernel (it is made)."""
        (self.net(self.x) - self.y).square().mean().backward()
        direct = self.optimizer._direct
        return direct is not None and direct()

    @property
    def weights(self) -> list[Tensor]:
        return [parameter.detach().clone() for parameter in self.net.parameters()]


def same(first: Run, second: Run) -> bool:
    states = first.optimizer.state_dict(), second.optimizer.state_dict()
    return all(map(torch.equal, first.weights, second.weights)) and _equal(*states)


def _equal(first: dict[str, Any], second: dict[str, Any]) -> bool:
    return first.keys() == second.keys() and all(
        torch.equal(value, second[name]) if isinstance(value, Tensor) else value == second[name]
        for name, value in first.items()
    )


@pytest.mark.parametrize("make", ALL.values(), ids=ALL)
def test_weights_and_state_are_bit_for_bit_those_of_torch(make: Make) -> None:
    direct, plain = Run(make), Run(make, by_torch=True)
    direct.steps(20)
    plain.steps(20)
    assert same(direct, plain)
    assert direct.is_direct
    assert plain.optimizer._direct is None


def test_a_learning_rate_that_is_set_counts_from_the_next_update() -> None:
    direct, plain = Run(ALL["adam"]), Run(ALL["adam"], by_torch=True)
    for run in (direct, plain):
        run.steps(3)
        run.optimizer.learning_rate = 0.5
        run.steps(3)
    assert same(direct, plain)
    assert direct.is_direct


@pytest.mark.parametrize("make", ALL.values(), ids=ALL)
def test_a_state_that_is_loaded_is_the_one_that_is_updated(make: Make) -> None:
    first, second, plain = Run(make), Run(make), Run(make, by_torch=True)
    first.steps(5)
    plain.steps(10)
    second.steps(2)  # has lists of another state
    state = {
        name: value.clone() if isinstance(value, Tensor) else value
        for name, value in first.optimizer.state_dict().items()
    }
    second.optimizer.load_state_dict(state)
    second.net.load_state_dict(first.net.state_dict())
    second.steps(5)
    assert same(second, plain)


@pytest.mark.parametrize("make", ADAMS.values(), ids=ADAMS)
def test_a_state_loaded_into_torchs_own_optimizer_is_noticed(make: Make) -> None:
    first, plain = Run(make), Run(make, by_torch=True)
    first.steps(4)
    first.optimizer.torch_optimizer.load_state_dict(first.optimizer.torch_optimizer.state_dict())
    first.steps(4)
    plain.steps(8)
    assert same(first, plain)


@pytest.mark.parametrize("make", ALL.values(), ids=ALL)
def test_a_weight_frozen_in_the_middle_stays_and_thaws(make: Make) -> None:
    direct, plain = Run(make), Run(make, by_torch=True)
    for run in (direct, plain):
        run.steps(3)
        run.net[0].weight.requires_grad_(False)
        run.steps(3)
        run.net[0].weight.requires_grad_(True)
        run.steps(3)
    assert same(direct, plain)
    assert not torch.equal(direct.weights[0], Run(ALL["adam"]).weights[0])


def test_a_weight_frozen_from_the_start_leaves_the_update_to_torch() -> None:
    run = Run(ALL["adam"])
    run.net[0].weight.requires_grad_(False)
    run.steps(2)
    assert not run.is_direct


def test_hooks_on_torchs_optimizer_are_called() -> None:
    run = Run(ALL["adam"])
    run.steps(2)
    called: list[int] = []
    hook = run.optimizer.torch_optimizer.register_step_post_hook(lambda *_: called.append(1))
    run.steps(3)
    hook.remove()
    run.steps(2)
    assert len(called) == 3


def test_hooks_on_all_of_torchs_optimizers_are_called() -> None:
    run = Run(ALL["sgd"])
    run.steps(2)
    called: list[int] = []
    hook = register_optimizer_step_pre_hook(lambda *_: called.append(1))
    run.steps(3)
    hook.remove()
    assert len(called) == 3


def test_a_profile_shows_the_update_under_torchs_name() -> None:
    run = Run(ALL["adam"])
    run.steps(2)
    with torch.profiler.profile(activities=[torch.profiler.ProfilerActivity.CPU]) as profile:
        run.steps(1)
    assert "Optimizer.step#Adam.step" in {event.key for event in profile.key_averages()}


@pytest.mark.parametrize(
    "make",
    [
        lambda p: torch.optim.Adam(p),  # several kernels, whose last bits differ
        lambda p: torch.optim.Adam(p, fused=True, maximize=True),
        lambda p: torch.optim.Adam([{"params": p[:1]}, {"params": p[1:]}], fused=True),
        lambda p: torch.optim.RMSprop(p),
    ],
    ids=["not fused", "maximize", "two groups", "no kernel"],
)
def test_other_optimizers_are_left_to_torch(
    make: Callable[[list[nn.Parameter]], torch.optim.Optimizer],
) -> None:
    net = nn.Linear(2, 1)
    optimizer = make(list(net.parameters()))
    net(torch.ones(1, 2)).sum().backward()
    optimizer.step()
    assert direct_update(optimizer) is None


@pytest.mark.parametrize(
    ("algorithm", "kernel"),
    [
        (torch.optim.Adam, torch._fused_adam_),
        (torch.optim.AdamW, torch._fused_adamw_),
    ],
)
def test_the_kernel_is_known_without_the_entry_that_older_torch_lacks(
    algorithm: Callable[..., torch.optim.Optimizer], kernel: Callable[..., None]
) -> None:
    net = nn.Linear(2, 1)
    optimizer = algorithm(net.parameters(), fused=True)
    net(torch.ones(1, 2)).sum().backward()
    optimizer.step()
    optimizer.param_groups[0].pop("decoupled_weight_decay", None)
    direct = direct_update(optimizer)
    assert direct is not None
    assert direct._kernel is kernel
