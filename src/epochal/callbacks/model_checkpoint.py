"""Save the model, or its weights, while it trains."""

import math
import os
import string
from collections.abc import Iterable
from pathlib import Path
from typing import Any, Literal, Never

from epochal.callbacks.monitor import Mode, MonitorCallback
from epochal.core.errors import UsageError, reject_unknown, unknown_name
from epochal.logs import LogNames
from epochal.storage.atomic import remove_file

__all__ = ["ModelCheckpoint"]


class ModelCheckpoint(MonitorCallback):
    """Saves the model after each epoch, after every so many batches, or when it is the best so far.

    A file is written aside and renamed when it is whole, so an interrupted save leaves the file
    before it as it was. A value that is NaN or not there is never a best one.

    Args:
        filepath: Where to; its ending decides the format, as for `Model.save`. `{epoch}` (counted
            from 1), `{batch}` and any logged name can stand in it:
            `"best-{epoch:03d}-{val_loss:.3f}.keras"`. Missing folders are made.
        monitor: The name watched with `save_best_only`.
        verbose: 1 to say what is saved and why.
        save_best_only: Whether to save only what is better than everything before.
        save_weights_only: Weights alone, or the optimizer's state and the architecture as well.
        mode: `"min"`, `"max"`, or `"auto"`: as the metric says, else as well-known names are.
        save_freq: `"epoch"`, or after how many batches, counted through all epochs.
        initial_value_threshold: With `save_best_only`, what the first saved model has to beat.
        max_to_keep: Remove the oldest of the files saved here above this number.
        period: With `save_freq="epoch"`, after how many epochs (Keras' older way to say it).

    Raises:
        UsageError: If an argument is outside of what it can be.

    Example:
        >>> import tempfile, torch, epochal
        >>> model = epochal.Model(torch.nn.Linear(1, 1))
        >>> model.compile("sgd", "mse")
        >>> folder = Path(tempfile.mkdtemp())
        >>> checkpoint = ModelCheckpoint(folder / "e{epoch}.safetensors", monitor="loss")
        >>> _ = model.fit([[1.0]], [[2.0]], epochs=2, callbacks=checkpoint, verbose=0)
        >>> sorted(path.name for path in folder.iterdir())
        ['e1.safetensors', 'e2.safetensors']
    """

    state = ("batches", "best", "epochs", "saved")

    def __init__(
        self,
        filepath: str | os.PathLike[str],
        monitor: str = "val_loss",
        verbose: int = 0,
        save_best_only: bool = False,
        save_weights_only: bool = False,
        mode: Mode = "auto",
        save_freq: int | Literal["epoch"] = "epoch",
        initial_value_threshold: float | None = None,
        max_to_keep: int | None = None,
        period: int | None = None,
        **unknown: Never,
    ) -> None:
        reject_unknown(ModelCheckpoint.__init__, unknown)
        super().__init__(monitor, mode)
        if save_freq != "epoch" and (isinstance(save_freq, bool) or not _positive(save_freq)):
            raise UsageError(
                f"ModelCheckpoint: save_freq is {save_freq!r}; give 'epoch' or a number of batches"
            )
        if max_to_keep is not None and not _positive(max_to_keep):
            raise UsageError(f"ModelCheckpoint: max_to_keep is {max_to_keep!r}; give 1 or more")
        if period is not None and (save_freq != "epoch" or not _positive(period)):
            raise UsageError(
                f"ModelCheckpoint: period is {period!r} with save_freq={save_freq!r}; give a "
                "number of epochs, and only with save_freq='epoch'"
            )
        self.filepath = os.fspath(filepath)
        self.verbose = verbose
        self.save_best_only = save_best_only
        self.save_weights_only = save_weights_only
        self.save_freq = save_freq
        self.initial_value_threshold = initial_value_threshold
        self.max_to_keep = max_to_keep
        self.period = period
        self.needs = (monitor,) if save_best_only else ()
        self.best = initial_value_threshold
        self.batches = 0
        self.epochs = 0
        self.saved: list[str] = []
        # Saving each epoch costs no batch anything.
        self.idle = ("on_train_batch_end",) if save_freq == "epoch" else ()

    def check(self, names: LogNames) -> Iterable[str]:
        """Settle the direction, and see that the file name can be written."""
        if self.save_best_only:
            yield from super().check(names)
        per_batch = self.save_freq != "epoch"
        if per_batch and self.save_best_only and self.monitor.startswith("val_"):
            yield (
                f"ModelCheckpoint: {self.monitor!r} is known at the end of an epoch, but save_freq "
                f"is {self.save_freq} batches; use save_freq='epoch' or watch a training value"
            )
        known = ["epoch", *(["batch"] if per_batch else []), *names]
        fields = [field for _, field, _, _ in string.Formatter().parse(self.filepath)]
        strange = [field for field in fields if field is not None and field not in known]
        for field in strange if names.complete else ():
            yield f"ModelCheckpoint: filepath: {unknown_name('field', field, known)}"
        if strange:
            return
        try:
            path = self._path(0, 0, dict.fromkeys(names, 0.5))
        except ValueError as error:
            yield f"ModelCheckpoint: filepath {self.filepath!r} cannot be formatted: {error}"
        else:
            try:
                self.model.check_path(path, weights_only=self.save_weights_only)
            except UsageError as error:
                yield f"ModelCheckpoint: {error}"
            if Path(path).is_dir():
                yield f"ModelCheckpoint: filepath {self.filepath!r} is a folder; give a file"

    def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
        """Remember the epoch for the file name."""
        self._epoch = epoch

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        """Save after the epoch."""
        self.epochs += 1
        if self.save_freq == "epoch" and self.epochs % (self.period or 1) == 0:
            self._save(f"epoch {epoch + 1}", epoch, None, logs or {})

    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
        """Save after so many batches."""
        self.batches += 1
        if self.batches % int(self.save_freq) == 0:
            where = f"epoch {self._epoch + 1}, batch {batch + 1}"
            self._save(where, self._epoch, batch, logs or {})

    def _save(self, where: str, epoch: int, batch: int | None, logs: Any) -> None:
        if self.model.diverged:
            self._say(f"{where}: the model has diverged; not saved")
            return
        if self.save_best_only:
            current = self.value(logs)
            if current is None:
                return
            if not self.improves(current, self.best):
                reason = "is NaN" if math.isnan(current) else f"did not improve on {self.best:.5g}"
                self._say(f"{where}: {self.monitor} {reason}; not saved")
                return
            before = "" if self.best is None else f" from {self.best:.5g}"
            why = f"{self.monitor} improved{before} to {current:.5g}; "
        else:
            current, why = None, ""
        path = self._path(epoch, batch, logs)
        if self.save_weights_only:
            self.model.save_weights(path)
        else:
            self.model.save(path)
        if current is not None:
            self.best = current
        self._say(f"{where}: {why}saved {path}")
        self._rotate(path)

    def _rotate(self, path: str) -> None:
        """Remove the oldest files saved here, after the new one is safe."""
        self.saved = [*(old for old in self.saved if old != path), path]
        while self.max_to_keep is not None and len(self.saved) > self.max_to_keep:
            remove_file(self.saved.pop(0))

    def _path(self, epoch: int, batch: int | None, logs: Any) -> str:
        numbers = {"epoch": epoch + 1} | ({} if batch is None else {"batch": batch + 1})
        return self.filepath.format(**{**logs, **numbers})

    def _say(self, text: str) -> None:
        if self.verbose:
            print(f"ModelCheckpoint: {text}")


def _positive(number: Any) -> bool:
    return isinstance(number, int) and number >= 1
