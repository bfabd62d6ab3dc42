"""Any `torch.optim.lr_scheduler` as the learning rate of any optimizer."""

import copy
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Literal, Never

import torch
from torch.optim.lr_scheduler import LRScheduler, ReduceLROnPlateau

from epochal.core.config import Configurable
from epochal.core.errors import UsageTypeError, reject_unknown, unknown_name

__all__ = [
    "By",
    "RunningScheduler",
    "SchedulerFactory",
    "TorchSchedule",
    "check_by",
    "is_scheduler",
]

By = Literal["batch", "epoch"]
SchedulerFactory = Callable[[torch.optim.Optimizer], Any]


def check_by(by: str) -> None:
    """Refuse anything but "batch" and "epoch"."""
    if by not in ("batch", "epoch"):
        raise UsageTypeError(unknown_name("by", by, ("batch", "epoch")))


def is_scheduler(value: object) -> bool:
    """Return whether `value` is a scheduler of torch, its class, or a partial of the class."""
    value = getattr(value, "func", value)
    return isinstance(value, LRScheduler) or (
        isinstance(value, type) and issubclass(value, LRScheduler)
    )


class TorchSchedule(Configurable):
    """A `torch.optim.lr_scheduler` for `learning_rate=` of any of epochal's optimizers.

    Args:
        factory: Called with the torch optimizer, returns the scheduler: a partial of its class, or
            a function.
        by: Whether the scheduler steps after every `"batch"` (every update, where gradients are
            accumulated) or every `"epoch"`.
        initial_learning_rate: The rate the scheduler starts from.

    Raises:
        UsageTypeError: If `factory` cannot be called, or is a scheduler that already has an
            optimizer (that one goes into `TorchOptimizer`).

    Example:
        >>> from functools import partial
        >>> from torch.optim.lr_scheduler import StepLR
        >>> TorchSchedule(partial(StepLR, step_size=2), by="epoch", initial_learning_rate=0.1).by
        'epoch'
    """

    def __init__(
        self,
        factory: SchedulerFactory,
        by: By = "batch",
        initial_learning_rate: float = 0.001,
        **unknown: Never,
    ) -> None:
        reject_unknown(TorchSchedule.__init__, unknown)
        if isinstance(factory, LRScheduler) or not callable(factory):
            raise UsageTypeError(
                f"TorchSchedule: factory is {factory!r}; give a function that makes the scheduler "
                "from an optimizer, as functools.partial(StepLR, step_size=2). A scheduler that "
                "has its optimizer goes into TorchOptimizer(optimizer, lr_scheduler=...)"
            )
        check_by(by)
        self.factory = factory
        self.by: By = by
        self.initial_learning_rate = initial_learning_rate


class RunningScheduler:
    """A torch scheduler at work on one optimizer, and its state as plain numbers.

    Args:
        optimizer: The torch optimizer.
        scheduler: A scheduler of that optimizer, or what makes one.
        by: When it steps.

    Raises:
        UsageTypeError: If there is no scheduler of that optimizer to be had, or it needs a metric.
    """

    def __init__(
        self, optimizer: torch.optim.Optimizer, scheduler: LRScheduler | SchedulerFactory, by: By
    ) -> None:
        made = scheduler if isinstance(scheduler, LRScheduler) else scheduler(optimizer)
        if isinstance(made, ReduceLROnPlateau):
            raise UsageTypeError(
                "ReduceLROnPlateau needs a metric at every step, which an optimizer does not have; "
                "use the callback epochal.callbacks.ReduceLROnPlateau"
            )
        if not isinstance(made, LRScheduler):
            raise UsageTypeError(
                f"the scheduler's factory returned {made!r}; return a torch.optim.lr_scheduler"
            )
        if made.optimizer is not optimizer:
            raise UsageTypeError(
                f"the {type(made).__name__} belongs to another optimizer than the one given"
            )
        self.by: By = by
        self.scheduler = made
        self._optimizer = optimizer

    def step(self) -> None:
        """Move on by one batch or epoch."""
        self.scheduler.step()

    def state_dict(self) -> dict[str, Any]:
        """Return the scheduler's numbers, and those it may have changed in the optimizer."""
        return scheduler_numbers(self.scheduler) | group_numbers(self._optimizer)

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Take up the numbers that `state_dict` returned."""
        load_scheduler_numbers(self.scheduler, state)
        load_group_numbers(self._optimizer, state)


def scheduler_numbers(scheduler: LRScheduler) -> dict[str, Any]:
    """Return every number of a scheduler, by path."""
    return dict(_numbers(scheduler.state_dict(), "scheduler"))


def load_scheduler_numbers(scheduler: LRScheduler, state: Mapping[str, Any]) -> None:
    """Put numbers that `scheduler_numbers` returned back in their places."""
    scheduler.load_state_dict(_filled(scheduler.state_dict(), state, "scheduler"))


def group_numbers(optimizer: torch.optim.Optimizer) -> dict[str, Any]:
    """Return every number in the optimizer's parameter groups, by path."""
    return dict(_numbers(_groups(optimizer), "group"))


def load_group_numbers(optimizer: torch.optim.Optimizer, state: Mapping[str, Any]) -> None:
    """Put numbers that `group_numbers` returned back in their places."""
    filled = _filled(_groups(optimizer), state, "group")
    for group, options in zip(optimizer.param_groups, filled, strict=True):
        group.update(options)


def _groups(optimizer: torch.optim.Optimizer) -> list[dict[str, Any]]:
    skip = ("params", "param_names")
    return [{k: v for k, v in g.items() if k not in skip} for g in optimizer.param_groups]


def _children(tree: Any) -> list[tuple[Any, Any]]:
    return list(tree.items()) if isinstance(tree, dict) else list(enumerate(tree))


def _numbers(tree: Any, path: str) -> Iterator[tuple[str, float]]:
    """Yield every number in nested dicts and lists with its path."""
    if isinstance(tree, (dict, list, tuple)):
        for key, item in _children(tree):
            yield from _numbers(item, f"{path}/{key}")
    elif isinstance(tree, torch.Tensor) and tree.numel() == 1:
        yield path, tree.item()
    elif isinstance(tree, (bool, int, float)):
        yield path, tree


def _filled(tree: Any, state: Mapping[str, Any], path: str) -> Any:
    """Return the tree with every number replaced by the one that `state` has for its place."""
    if isinstance(tree, dict):
        filled = copy.copy(tree)  # keeps a Counter (MultiStepLR's milestones) a Counter
        for key, item in tree.items():
            filled[key] = _filled(item, state, f"{path}/{key}")
        return filled
    if isinstance(tree, (list, tuple)):
        return type(tree)(_filled(v, state, f"{path}/{k}") for k, v in enumerate(tree))
    value = state.get(path, tree)
    if isinstance(tree, torch.Tensor) and not isinstance(value, torch.Tensor):
        return torch.full_like(tree, value)
    return value
