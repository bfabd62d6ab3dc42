"""Stop when a watched value no longer gets better."""

from typing import Any, Never

from torch import Tensor

from epochal.callbacks.monitor import Mode, MonitorCallback
from epochal.core.errors import UsageError, reject_unknown

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

    Raises:
        UsageError: If `patience` or `start_from_epoch` is negative, or `mode` unknown.

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

    state = ("best", "best_epoch", "best_weights", "stopped_epoch", "wait")

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
        **unknown: Never,
    ) -> None:
        reject_unknown(EarlyStopping.__init__, unknown)
        super().__init__(monitor, mode, min_delta)
        for name, value in (("patience", patience), ("start_from_epoch", start_from_epoch)):
            if value < 0:
                raise UsageError(f"EarlyStopping: {name} is {value}; give 0 or more")
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

    def on_train_begin(self, logs: Any = None) -> None:
        """Start counting anew."""
        self.wait = 0
        self.stopped_epoch = self.best = self.best_epoch = self.best_weights = None

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        """Look at the value, and stop if it has not improved for long enough."""
        current = self.value(logs)
        if current is None or epoch < self.start_from_epoch:
            return
        self.wait += 1
        if self.improves(current, self.best):
            self.best, self.best_epoch = current, epoch
            if self.restore_best_weights:
                self._keep_weights()
            if self.baseline is None or self.improves(current, self.baseline):
                self.wait = 0
        else:
            worse = "is not a number" if self.best is None else f"did not improve on {self._best()}"
            count = f"{self.wait} of {max(self.patience, 1)}"
            self._say(f"epoch {epoch + 1}: {self.monitor} {worse}; {count}")
        if self.wait >= max(self.patience, 1):
            self.stopped_epoch = epoch
            self.model.stop_training = True

    def on_train_end(self, logs: Any = None) -> None:
        """Say why training stopped, and bring the best weights back."""
        if self.stopped_epoch is not None:
            best = "it never was a number" if self.best is None else f"best {self._best()}"
            self._say(
                f"epoch {self.stopped_epoch + 1}: stopped early, {self.wait} checks without "
                f"improvement of {self.monitor} ({best})"
            )
        if self.restore_best_weights and self.best_weights is not None:
            self._say(f"restoring the weights of epoch {(self.best_epoch or 0) + 1}")
            self.model.load_state_dict(self.best_weights)

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
