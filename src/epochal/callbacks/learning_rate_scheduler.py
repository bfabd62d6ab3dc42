"""Set the learning rate by a function of the epoch or of the batch."""

import inspect
from collections.abc import Callable, Iterable, Mapping
from functools import partial
from typing import Any, Literal, Never

from torch.optim.lr_scheduler import LRScheduler

from epochal.callbacks.base import Callback
from epochal.core.errors import UsageError, UsageTypeError, reject_unknown, unknown_name
from epochal.logs import LogNames
from epochal.optimizers.schedules.from_torch import RunningScheduler

__all__ = ["LearningRateScheduler"]


class LearningRateScheduler(Callback):
    """Sets the learning rate at the beginning of every epoch, or of every batch.

    Args:
        schedule: `schedule(epoch, lr)` or `schedule(epoch)`, as its signature says, which returns
            the rate as any number; with `by="batch"` it is given the number of the batch, counted
            from the beginning of training. Or a class of `torch.optim.lr_scheduler`, with its
            arguments: `functools.partial(OneCycleLR, max_lr=0.1, total_steps=300)`.
        verbose: 1 to say each rate that is set.
        by: `"epoch"` or `"batch"`.

    Raises:
        UsageTypeError: If the schedule cannot be called so.
        UsageError: If `by` is something else.

    Example:
        >>> import epochal, torch
        >>> model = epochal.Model(torch.nn.Linear(1, 1))
        >>> model.compile("sgd", "mse")
        >>> halving = LearningRateScheduler(lambda epoch: 0.1 / 2**epoch)
        >>> history = model.fit([[1.0]], [[1.0]], epochs=3, verbose=0, callbacks=halving)
        >>> history.history["learning_rate"]
        [0.1, 0.05, 0.025]
    """

    state = ("batches", "scheduler_state")
    provides = ("learning_rate",)

    def __init__(
        self,
        schedule: Callable[..., Any],
        verbose: int = 0,
        by: Literal["epoch", "batch"] = "epoch",
        **unknown: Never,
    ) -> None:
        reject_unknown(LearningRateScheduler.__init__, unknown)
        if by not in ("epoch", "batch"):
            names = ("epoch", "batch")
            raise UsageError(f"LearningRateScheduler: {unknown_name('value of by', by, names)}")
        self.schedule = schedule
        self.verbose = verbose
        self.by = by
        self.batches = 0
        self._of_torch = _is_torch(schedule)
        self._takes_rate = not self._of_torch and _takes_rate(schedule)
        self._running: RunningScheduler | None = None
        begins = by == "batch" and not self._of_torch
        ends = by == "batch" and self._of_torch
        needed = {"on_train_batch_begin": begins, "on_train_batch_end": ends}
        self.idle = tuple(hook for hook, wanted in needed.items() if not wanted)

    @property
    def scheduler_state(self) -> dict[str, Any]:
        """The numbers of a scheduler of torch, and those that it changes in the optimizer."""
        return {} if self._running is None else self._running.state_dict()

    @scheduler_state.setter
    def scheduler_state(self, state: Mapping[str, Any]) -> None:
        if self._running is not None and state:
            self._running.load_state_dict(state)

    def check(self, names: LogNames) -> Iterable[str]:
        """See that the learning rate can be set."""
        optimizer = self.model.optimizer
        if optimizer is not None and optimizer.scheduled:
            yield (
                "LearningRateScheduler: the optimizer has a schedule of its own; give it a number "
                "as learning_rate, or leave the callback out"
            )

    def on_train_begin(self, logs: Any = None) -> None:
        """Count batches from here; make the scheduler of torch."""
        self.batches = 0
        if self._of_torch:
            optimizer = self.model.optimizer
            self._running = RunningScheduler(optimizer.torch_optimizer, self.schedule, self.by)
            # Also makes the optimizer look anew at torch's `step`, which the scheduler has wrapped.
            optimizer.learning_rate = self._running.scheduler.get_last_lr()[0]

    def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
        """Set the epoch's rate."""
        if self.by == "epoch" and not self._of_torch:
            self._set(f"epoch {epoch + 1}", epoch)

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        """Log the rate, and let a scheduler of torch go on."""
        if logs is not None:
            logs["learning_rate"] = float(self.model.optimizer.learning_rate)
        if self._running is not None and self.by == "epoch":
            self._running.step()

    def on_train_batch_begin(self, batch: int, logs: Any = None) -> None:
        """Set the batch's rate."""
        if not self._of_torch:
            self._set(f"batch {self.batches + 1}", self.batches)
            self.batches += 1

    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
        """Let a scheduler of torch go on."""
        if self._running is not None:
            self._running.step()

    def _set(self, where: str, number: int) -> None:
        optimizer = self.model.optimizer
        if self._takes_rate:
            rate = self.schedule(number, float(optimizer.learning_rate))
        else:
            rate = self.schedule(number)
        try:
            rate = float(rate)
        except (TypeError, ValueError):
            raise UsageTypeError(
                f"LearningRateScheduler: the schedule returned {rate!r}; expected one number"
            ) from None
        optimizer.learning_rate = rate
        if self.verbose:
            print(f"LearningRateScheduler: {where}: learning rate {rate:.6g}")


def _is_torch(schedule: Any) -> bool:
    made = schedule.func if isinstance(schedule, partial) else schedule
    return isinstance(made, type) and issubclass(made, LRScheduler)


def _takes_rate(schedule: Any) -> bool:
    """Whether it is called with the rate too, decided by its signature and never by trying."""
    if not callable(schedule):
        raise UsageTypeError(
            f"LearningRateScheduler: schedule is {schedule!r}; give a function (epoch, lr) or "
            "(epoch)"
        )
    try:
        signature = inspect.signature(schedule)
    except ValueError:  # some functions written in C tell nothing
        return False
    for arguments in ((0, 0.1), (0,)):
        try:
            signature.bind(*arguments)
        except TypeError:
            continue
        return len(arguments) == 2
    raise UsageTypeError(
        f"LearningRateScheduler: the schedule takes {signature}; expected (epoch, lr) or (epoch)"
    )
