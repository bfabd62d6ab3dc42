"""Lower the learning rate when a watched value no longer gets better."""

from collections.abc import Iterable
from typing import Any, Literal, Never

from epochal.callbacks.monitor import Mode, MonitorCallback
from epochal.core.errors import UsageError, reject_unknown, unknown_name
from epochal.logs import LogNames

__all__ = ["ReduceLROnPlateau"]


class ReduceLROnPlateau(MonitorCallback):
    """Multiplies the learning rate by a factor when a value has not improved for a while.

    Args:
        monitor: The name watched.
        factor: What the rate is multiplied by, above 0 and below 1.
        patience: After how many checks in a row without improvement; 0 and 1 both mean one.
        verbose: 1 to say what happened and why.
        mode: `"min"`, `"max"`, or `"auto"`: as the metric says, else as well-known names are.
        min_delta: A change has to be larger than this to count as an improvement.
        cooldown: Checks after a reduction in which nothing is counted.
        min_lr: The rate is never set below this.
        min_delta_mode: Whether `min_delta` is `"absolute"`, or `"relative"` to the best value.

    Raises:
        UsageError: If a number is outside of what it can be.

    Example:
        >>> from types import SimpleNamespace
        >>> plateau = ReduceLROnPlateau("loss", factor=0.5, patience=2)
        >>> plateau.set_model(SimpleNamespace(optimizer=SimpleNamespace(learning_rate=0.1)))
        >>> plateau.on_train_begin()
        >>> for epoch, loss in enumerate([1.0, 1.0, 1.0, 1.0]):
        ...     plateau.on_epoch_end(epoch, {"loss": loss})
        >>> plateau.model.optimizer.learning_rate
        0.05
    """

    state = ("best", "best_epoch", "cooldown_counter", "wait")
    provides = ("learning_rate",)

    def __init__(
        self,
        monitor: str = "val_loss",
        factor: float = 0.1,
        patience: int = 10,
        verbose: int = 0,
        mode: Mode = "auto",
        min_delta: float = 1e-4,
        cooldown: int = 0,
        min_lr: float = 0.0,
        min_delta_mode: Literal["absolute", "relative"] = "absolute",
        **unknown: Never,
    ) -> None:
        reject_unknown(ReduceLROnPlateau.__init__, unknown)
        super().__init__(monitor, mode, min_delta, relative=min_delta_mode == "relative")
        if not 0 < factor < 1:
            raise UsageError(
                f"ReduceLROnPlateau: factor is {factor}; give a number above 0 and below 1"
            )
        for name, value in (("patience", patience), ("cooldown", cooldown), ("min_lr", min_lr)):
            if value < 0:
                raise UsageError(f"ReduceLROnPlateau: {name} is {value}; give 0 or more")
        modes = ("absolute", "relative")
        if min_delta_mode not in modes:
            text = unknown_name("min_delta_mode", min_delta_mode, modes)
            raise UsageError(f"ReduceLROnPlateau: {text}")
        self.factor = factor
        self.patience = patience
        self.verbose = verbose
        self.cooldown = cooldown
        self.min_lr = min_lr
        self.min_delta_mode = min_delta_mode
        self.wait = 0
        self.cooldown_counter = 0
        self.best: float | None = None
        self.best_epoch: int | None = None

    def check(self, names: LogNames) -> Iterable[str]:
        """Settle the direction, and see that the learning rate can be set."""
        yield from super().check(names)
        optimizer = self.model.optimizer
        if optimizer is not None and optimizer.scheduled:
            yield (
                "ReduceLROnPlateau: the optimizer has a schedule of its own; give it a number as "
                "learning_rate, or leave the callback out"
            )

    def on_train_begin(self, logs: Any = None) -> None:
        """Start counting anew."""
        self.wait = self.cooldown_counter = 0
        self.best = self.best_epoch = None

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        """Log the rate, look at the value, and lower the rate if it has not improved."""
        optimizer = self.model.optimizer
        rate = float(optimizer.learning_rate)
        if logs is not None:
            logs["learning_rate"] = rate
        current = self.value(logs)
        if current is None:
            return
        improved = self.improves(current, self.best)
        best = self.best
        if improved:
            self.best, self.best_epoch = current, epoch
        if self.cooldown_counter > 0:
            self.cooldown_counter -= 1
            self.wait = 0
            return
        self.wait = 0 if improved else self.wait + 1
        if self.wait >= max(self.patience, 1) and rate > self.min_lr:
            lower = max(rate * self.factor, self.min_lr)
            optimizer.learning_rate = lower
            self.wait = 0
            self.cooldown_counter = self.cooldown
            if self.verbose:
                since = "it was never a number" if best is None else f"best {best:.5g}"
                print(
                    f"ReduceLROnPlateau: epoch {epoch + 1}: {self.monitor} is {current:.5g} "
                    f"({since}); learning rate {rate:.6g} -> {lower:.6g}"
                )
