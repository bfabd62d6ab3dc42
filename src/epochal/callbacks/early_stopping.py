"""Stop when a watched value no longer gets better."""

import time
from collections.abc import Iterable, Mapping
from typing import Any, Never

from torch import Tensor

from epochal.callbacks.monitor import Mode, MonitorCallback
from epochal.core.errors import UsageError, UsageTypeError, reject_unknown
from epochal.logs import LogNames
from epochal.stopping import Criterion

__all__ = ["EarlyStopping"]


class EarlyStopping(MonitorCallback):
    """Stops training when a value no longer improves, and can bring the best weights back.

    Args:
        monitor: The name watched.
        min_delta: A change has to be larger than this to count as an improvement.
        patience: Stop after this many checks in a row without improvement; 0 and 1 both stop at
            the first. An epoch without validation is no check of a validation value.
        verbose: 1 to say what happened and why.
        mode: `"min"`, `"max"`, or `"auto"`: as the metric says, else as well-known names are.
        baseline: Until the value is better than this, no improvement counts: a model that does not
            reach it within `patience` checks is stopped.
        restore_best_weights: Whether the model gets the weights (and buffers) of its best epoch
            back when `fit` ends, whatever ended it but an exception.
        start_from_epoch: Epochs before this one, counted from 0, are not looked at.
        criterion: Decides instead of `min_delta`, `patience` and `baseline`: one of
            `epochal.stopping`, or several, `GeneralizationLoss(5) | Budget(time="2h")`. What is
            compared with `val_loss` as the training value is `loss`, and so for other names.
        every: Look after every so many batches of an epoch instead of after the epoch, for epochs
            that are long. The value is then the mean since the epoch began, so only training
            values can be monitored; `patience` and strips count looks.

    Attributes:
        stopped_epoch: The epoch after which it stopped, counted from 0, or None.
        best: The best value seen, and `best_epoch` its epoch.
        reason: What the criterion said last.

    Raises:
        UsageError: If `patience` or `start_from_epoch` is negative, `mode` unknown, a criterion
            comes with arguments it replaces, or `every` is not positive or comes with a validation
            value; in `fit`, if an epoch has fewer batches.
        UsageTypeError: If `criterion` is none.

    Example:
        >>> from types import SimpleNamespace
        >>> stopping = EarlyStopping(monitor="loss", patience=2)
        >>> stopping.set_model(SimpleNamespace(stop_training=False))
        >>> stopping.on_train_begin()
        >>> for epoch, loss in enumerate([1.0, 0.5, 0.6, 0.55]):
        ...     stopping.on_epoch_end(epoch, {"loss": loss})
        >>> stopping.model.stop_training, stopping.stopped_epoch, stopping.best_epoch
        (True, 3, 1)
    """

    state = (
        *("best", "best_epoch", "best_weights", "stopped_epoch", "wait"),
        *("reason", "criterion_state", "batches_done", "steps_seen", "clock", "_rows_seen"),
    )

    def __init__(
        self,
        monitor: str = "val_loss",
        min_delta: float = 0.0,
        patience: int = 0,
        verbose: int = 0,
        mode: Mode = "auto",
        baseline: float | None = None,
        restore_best_weights: bool = False,
        start_from_epoch: int = 0,
        *,
        criterion: Criterion | None = None,
        every: int | None = None,
        **unknown: Never,
    ) -> None:
        reject_unknown(EarlyStopping.__init__, unknown)
        super().__init__(monitor, mode, min_delta)
        for name, value in (("patience", patience), ("start_from_epoch", start_from_epoch)):
            if value < 0:
                raise UsageError(f"EarlyStopping: {name} is {value}; give 0 or more")
        if criterion is not None:
            if not isinstance(criterion, Criterion):
                raise UsageTypeError(
                    f"EarlyStopping: criterion is {criterion!r}; give one of epochal.stopping, "
                    "such as GeneralizationLoss(5)"
                )
            if patience or min_delta or baseline is not None:
                raise UsageError(
                    "EarlyStopping: patience, min_delta and baseline say nothing beside a "
                    f"criterion; write {criterion!r} | Patience(...)"
                )
        if every is not None:
            if isinstance(every, bool) or not isinstance(every, int) or every < 1:
                raise UsageError(f"EarlyStopping: every is {every!r}; give a number of batches")
            if monitor.startswith("val_"):
                raise UsageError(
                    f"EarlyStopping: every={every} looks in the middle of an epoch, and "
                    f"{monitor!r} is known only after it; monitor "
                    f"{monitor.removeprefix('val_')!r}, or leave every out"
                )
        self.criterion = criterion
        self.every = every
        self._counts_samples = criterion is not None and "samples" in criterion.needs
        # Without a batch hook that wants them, the loop makes no logs for batches.
        self.idle = () if every or self._counts_samples else ("on_train_batch_end",)
        self.patience = patience
        self.verbose = verbose
        self.baseline = baseline
        self.restore_best_weights = restore_best_weights
        self.start_from_epoch = start_from_epoch
        self.wait = 0
        self.stopped_epoch: int | None = None
        self.best: float | None = None
        self.best_epoch: int | None = None
        self.best_weights: dict[str, Tensor] | None = None
        self.reason: str | None = None
        self.batches_done = 0
        self.steps_seen: int | None = None
        self._rows_seen = 0
        self._epoch = 0
        self._since = time.monotonic()

    @property
    def criterion_state(self) -> dict[str, Any]:
        """What the criterion remembers."""
        return {} if self.criterion is None else self.criterion.state_dict()

    @criterion_state.setter
    def criterion_state(self, state: Mapping[str, Any]) -> None:
        if self.criterion is not None:
            self.criterion.load_state_dict(state)
        elif state:
            raise UsageTypeError("EarlyStopping: the state is of one with a criterion; give it too")

    @property
    def clock(self) -> dict[str, float]:
        """How long ago the criterion was asked last; the time between two starts is not in it."""
        return {} if self.criterion is None else {"seconds": time.monotonic() - self._since}

    @clock.setter
    def clock(self, clock: Mapping[str, float]) -> None:
        self._since = time.monotonic() - clock.get("seconds", 0.0)

    def check(self, names: LogNames) -> Iterable[str]:
        """See that the criterion will be told all it needs."""
        yield from super().check(names)
        needs = frozenset() if self.criterion is None else self.criterion.needs
        training = self.monitor.removeprefix("val_")
        if "training" in needs and names.complete and training not in names:
            yield (
                f"EarlyStopping: {self.criterion!r} compares {self.monitor!r} with its training "
                f"value, and nothing called {training!r} will be logged; monitor 'val_loss'"
            )
        steps = (self.params or {}).get("steps")
        if self.every is not None and steps is not None and steps < self.every:
            yield self._too_short(steps)

    def on_train_begin(self, logs: Any = None) -> None:
        """Start counting anew."""
        self.wait = 0
        self.stopped_epoch = self.best = self.best_epoch = self.best_weights = None
        self.reason = None
        if self.criterion is not None:
            self.criterion.reset(self._direction or "min")
            self._since, self.steps_seen = time.monotonic(), self._steps()

    def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
        """Count batches anew, and read the count of steps: others may have brought it back."""
        self._epoch, self.batches_done, self._rows_seen = epoch, 0, 0
        # Not while a look is due in the middle: what was done since the last one is still unspent.
        if self.criterion is not None and self.every is None:
            self.steps_seen = self._steps()

    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
        """Count samples if they are limited, and look at the value if it is time."""
        if self._counts_samples and self.criterion is not None:
            rows = self._rows()
            if rows is not None:
                self.criterion.spend(samples=rows - self._rows_seen)
                self._rows_seen = rows
        if self.every is not None:
            # One call may stand for several batches.
            before, self.batches_done = self.batches_done, batch + 1
            if self.batches_done // self.every > before // self.every:
                self._look(self._epoch, logs)

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        """Look at the value, and stop if it has not improved for long enough."""
        if self.every is None:
            self._look(epoch, logs)
        elif self.batches_done < self.every and not self.model.stop_training:
            raise UsageError(self._too_short(self.batches_done))

    def _look(self, epoch: int, logs: Any) -> None:
        current = self.value(logs)
        if self.criterion is not None:
            self._ask(self.criterion, epoch, current, logs)
            return
        if current is None or epoch < self.start_from_epoch:
            return
        self.wait += 1
        if self.improves(current, self.best):
            self._keep(epoch, current)
            if self.baseline is None or self.improves(current, self.baseline):
                self.wait = 0
        else:
            worse = "is not a number" if self.best is None else f"did not improve on {self._best()}"
            count = f"{self.wait} of {max(self.patience, 1)}"
            self._say(f"{self._when(epoch)}: {self.monitor} {worse}; {count}")
        if self.wait >= max(self.patience, 1):
            self.stopped_epoch = epoch
            self.model.stop_training = True

    def on_train_end(self, logs: Any = None) -> None:
        """Say why training stopped, and bring the best weights back."""
        if self.stopped_epoch is not None:
            best = "it never was a number" if self.best is None else f"best {self._best()}"
            why = f"{self.wait} checks without improvement of {self.monitor}"
            if self.criterion is not None:
                why = f"{self.monitor}: {self.reason}"
            self._say(f"epoch {self.stopped_epoch + 1}: stopped early, {why} ({best})")
        if self.restore_best_weights and self.best_weights is not None:
            self._say(f"restoring the weights of epoch {(self.best_epoch or 0) + 1}")
            self.model.load_state_dict(self.best_weights)

    def _ask(self, criterion: Criterion, epoch: int, current: float | None, logs: Any) -> None:
        now, steps = time.monotonic(), self._steps()
        taken = None if steps is None or self.steps_seen is None else steps - self.steps_seen
        criterion.spend(seconds=now - self._since, steps=taken)
        self._since, self.steps_seen = now, steps
        if epoch < self.start_from_epoch:
            return
        if current is not None and self.improves(current, self.best):
            self._keep(epoch, current)
        training = (logs or {}).get(self.monitor.removeprefix("val_"))
        verdict = criterion.update(epoch, None if training is None else float(training), current)
        self.reason = verdict.reason
        if verdict.stop:
            self.stopped_epoch = epoch
            self.model.stop_training = True
        else:
            self._say(f"{self._when(epoch)}: {self.monitor}: {self.reason}")

    def _steps(self) -> int | None:
        # A loop of one's own may drive a model without an optimizer; it then has no steps to limit.
        optimizer = getattr(self.model, "optimizer", None)
        return None if optimizer is None else int(optimizer.iterations)

    def _rows(self) -> int | None:
        seen: tuple[int, int] | None = getattr(self.model, "rows_seen", None)
        return None if seen is None else seen[0]

    def _too_short(self, batches: int) -> str:
        return (
            f"EarlyStopping: every is {self.every}, but an epoch has {batches} batches, so nothing "
            f"would be looked at; give at most {batches}, or leave every out"
        )

    def _when(self, epoch: int) -> str:
        return f"epoch {epoch + 1}" + (f", batch {self.batches_done}" if self.every else "")

    def _keep(self, epoch: int, current: float) -> None:
        self.best, self.best_epoch = current, epoch
        if self.restore_best_weights:
            self._keep_weights()

    def _keep_weights(self) -> None:
        weights = self.model.state_dict()
        if self.best_weights is None:
            self.best_weights = {name: tensor.clone() for name, tensor in weights.items()}
        else:
            for name, tensor in weights.items():
                self.best_weights[name].copy_(tensor)

    def _best(self) -> str:
        return f"{self.best:.5g} (epoch {(self.best_epoch or 0) + 1})"

    def _say(self, text: str) -> None:
        if self.verbose:
            print(f"EarlyStopping: {text}")
