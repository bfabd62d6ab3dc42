"""Where an optimizer's learning rate comes from: a number, a schedule, or a torch scheduler."""

from collections.abc import Callable, Mapping
from typing import Any, TypeAlias

import torch
from torch import Tensor
from torch.optim.lr_scheduler import LRScheduler

from epochal.core.config import plain
from epochal.core.errors import UsageError, UsageTypeError
from epochal.optimizers.learning_rate import as_rate
from epochal.optimizers.schedules.base import FunctionSchedule, LearningRateSchedule
from epochal.optimizers.schedules.from_torch import (
    By,
    RunningScheduler,
    SchedulerFactory,
    TorchSchedule,
    is_scheduler,
)

__all__ = ["Rate", "Rates"]

Rate: TypeAlias = float | LearningRateSchedule | TorchSchedule | Callable[..., Any]
"""What `learning_rate=` takes."""


class Rates:
    """The learning rate of one optimizer.

    Args:
        value: What the user gave as `learning_rate`; None for whatever the torch optimizer has.
        scheduler: A torch scheduler (or what makes one), with when it steps.
    """

    def __init__(
        self,
        value: Rate | None,
        scheduler: tuple[LRScheduler | SchedulerFactory, By] | None = None,
    ) -> None:
        self.schedule: LearningRateSchedule | None = None
        self.scheduler: RunningScheduler | None = None
        self._unbound = scheduler
        self._given = value
        self._rate: float | None = None
        self._groups: list[dict[str, Any]] = []
        if isinstance(value, TorchSchedule):
            self._unbound = value.factory, value.by
            self._rate = as_rate(value.initial_learning_rate)
        elif value is not None:
            self.set(value)

    @property
    def scheduled(self) -> bool:
        """Whether the rate changes by itself."""
        return self.schedule is not None or self._unbound is not None

    def current(self, batches: int) -> float:
        """Return the rate of the next update, `batches` batches into training."""
        if self.schedule is not None:
            return as_rate(self.schedule(batches))
        if self._groups:
            return float(self._groups[0]["lr"])
        if self._rate is None:
            raise UsageError(
                "the learning rate is not known before the torch optimizer is made, at the first "
                "fit; set it, or read it later"
            )
        return self._rate

    def set(self, value: Rate) -> None:
        """Put another rate, or a schedule, in place of the present one."""
        if is_scheduler(value) or (isinstance(value, TorchSchedule) and self._groups):
            raise UsageTypeError(
                "learning_rate got a scheduler of torch; give the optimizer one when it is made, "
                "as learning_rate=TorchSchedule(functools.partial(StepLR, step_size=2), by='epoch')"
            )
        if isinstance(value, LearningRateSchedule):
            self.schedule = value
        elif callable(value) and not isinstance(value, Tensor):
            self.schedule = FunctionSchedule(value)
        elif self.scheduled:
            decides = type(self.schedule).__name__
            if self.schedule is None:
                decides = "a scheduler of torch"
            raise UsageTypeError(
                f"the learning rate is decided by {decides}, so it cannot be set; give the "
                "optimizer a number as learning_rate to set it later (or from a callback)"
            )
        else:
            self._rate = as_rate(value)
            self._write(self._rate)
        self._given = value

    def _write(self, rate: float) -> None:
        if not self._groups:
            return
        first = float(self._groups[0]["lr"])
        for group in self._groups:
            # Groups with rates of their own keep their proportion to the first one's.
            own = float(group["lr"])
            new = rate if own == first or first == 0.0 else own * (rate / first)
            if isinstance(group["lr"], Tensor):
                group["lr"].fill_(new)
            else:
                group["lr"] = new

    def watch(self, optimizer: torch.optim.Optimizer) -> None:
        """Read and write the rate of a torch optimizer from now on."""
        self._groups = optimizer.param_groups

    def bind(self, optimizer: torch.optim.Optimizer) -> None:
        """Start to act on a torch optimizer."""
        self.watch(optimizer)
        if self._rate is not None:
            self._write(self._rate)
        if self._unbound is not None:
            self.scheduler = RunningScheduler(optimizer, *self._unbound)

    def apply(self, batches: int) -> None:
        """Give torch the rate a schedule has for this update."""
        if self.schedule is not None:
            self._write(as_rate(self.schedule(batches)))

    def advance(self, by: By) -> None:
        """Let a torch scheduler move on if it steps `by` what is over."""
        if self.scheduler is not None and self.scheduler.by == by:
            self.scheduler.step()

    def config(self) -> Any:
        """Return the rate as JSON can hold it: the present number, or the schedule."""
        if isinstance(self._given, (LearningRateSchedule, TorchSchedule)) or self.schedule:
            return plain(self._given)
        return None if self._rate is None else self.current(0)

    def state_dict(self) -> dict[str, Any]:
        """Return what another process needs to go on with the same rates."""
        if self.scheduler is not None:
            return self.scheduler.state_dict()
        return {} if self.schedule is not None else {"learning_rate": self.current(0)}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go on with the rates of a saved state."""
        if self.scheduler is not None:
            self.scheduler.load_state_dict(state)
        elif self.schedule is None and "learning_rate" in state:
            self._rate = float(state["learning_rate"])
            self._write(self._rate)
