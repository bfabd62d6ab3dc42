"""Save a run again and again, and go on bit for bit after any death."""

import os
import time
import warnings
from collections.abc import Iterable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal, Never

from epochal.callbacks.base import Callback
from epochal.callbacks.signals import Signals
from epochal.core.errors import Problems, UsageError, reject_unknown
from epochal.logs import LogNames
from epochal.state import Position, Run
from epochal.storage import StorageError
from epochal.storage.async_saver import AsyncSaver
from epochal.storage.checkpoints import CheckpointStore

__all__ = ["BackupAndRestore"]


class BackupAndRestore(Callback):
    """Saves the run; the same script, started again after any death, goes on bit for bit.

    What comes back: weights and buffers, the optimizer, learning rates, moving averages, partly
    accumulated gradients, all random generators, the place in the data, the sums of the open
    epoch's metrics, the history and the state of every callback. `CSVLogger` cuts its file back to
    what was saved; so does `TensorBoard` with its event files.

    SIGTERM and SIGINT let the update at hand end, or the batch of a validation, save, and leave
    with code 143 or `KeyboardInterrupt`; a second signal leaves at once. A validation that was
    left begins anew.

    Args:
        backup_dir: A folder for this run alone; it is made if it is missing.
        save_freq: `"epoch"`, or a number of batches, counted through all epochs. Inside of an
            epoch arrays, Datasets and DataLoaders find their place again; so does whatever gives
            the same batches in the same order every time.
        double_checkpoint: Keras' name for keeping one more; two are always kept.
        delete_checkpoint: Whether the saved run is removed when training ends well.
        keep: How many verified checkpoints stay, 2 or more.
        every_seconds: Save as well, at the next batch, when so many seconds have passed.
        on_save_error: `"raise"`, or `"warn"` to train on when the disk is full, say.
        asynchronous: Whether a thread writes while training goes on, on a copy in memory.

    Raises:
        UsageError: If an argument is outside of what it can be.

    Example:
        >>> import epochal, tempfile, torch
        >>> model = epochal.Model(torch.nn.Linear(1, 1))
        >>> model.compile("sgd", "mse")
        >>> backup = BackupAndRestore(tempfile.mkdtemp(), delete_checkpoint=False)
        >>> x, y = torch.ones(4, 1), torch.ones(4, 1)
        >>> model.fit(x, y, epochs=2, verbose=0, callbacks=backup).epoch
        [0, 1]
        >>> model.fit(x, y, epochs=5, verbose=0, callbacks=backup).epoch  # doctest: +ELLIPSIS
        BackupAndRestore: resuming at epoch 3, batch 0 (saved ...)
        [0, 1, 2, 3, 4]
    """

    saves_run = True
    state = ("batches",)

    def __init__(
        self,
        backup_dir: str | os.PathLike[str],
        save_freq: Literal["epoch"] | int = "epoch",
        double_checkpoint: bool = False,
        delete_checkpoint: bool = True,
        keep: int = 2,
        every_seconds: float | None = None,
        on_save_error: Literal["raise", "warn"] = "raise",
        asynchronous: bool = True,
        **unknown: Never,
    ) -> None:
        reject_unknown(BackupAndRestore.__init__, unknown)
        problems = Problems("BackupAndRestore")
        if not os.fspath(backup_dir):
            problems.add("backup_dir is empty; give a folder for this run")
        if save_freq != "epoch" and not _is_count(save_freq, 1):
            problems.add(f"save_freq is {save_freq!r}; give 'epoch' or a number of batches")
        if not _is_count(keep, 2):
            problems.add(f"keep is {keep!r}; give 2 or more, for the newest may turn out damaged")
        if every_seconds is not None and not every_seconds > 0:
            problems.add(f"every_seconds is {every_seconds!r}; give a number above 0")
        if on_save_error not in ("raise", "warn"):
            problems.add(f"on_save_error is {on_save_error!r}; give 'raise' or 'warn'")
        problems.raise_if_any()
        self.backup_dir = Path(backup_dir)
        self.save_freq = save_freq
        self.double_checkpoint = double_checkpoint
        self.delete_checkpoint = delete_checkpoint
        self.keep = keep
        self.every_seconds = every_seconds
        self.on_save_error = on_save_error
        self.asynchronous = asynchronous
        self._run: Run | None = None
        self._store: CheckpointStore | None = None
        self._saver: AsyncSaver | None = None
        self._signals = Signals()
        self._saved_at = time.monotonic()
        self.batches = 0

    def check(self, names: LogNames) -> Iterable[str]:
        """See that the folder can be one."""
        if self.backup_dir.exists() and not self.backup_dir.is_dir():
            yield f"BackupAndRestore: {str(self.backup_dir)!r} is a file; give a folder"

    def set_run(self, run: Run) -> None:
        """Open the folder, and prepare the newest verified run in it to be brought back."""
        self.close()
        self._run = run
        run.follow()
        self._store = CheckpointStore(self.backup_dir, keep=self.keep)
        run.id = self._store.run_id
        self._saver = AsyncSaver(self._store) if self.asynchronous else None
        checkpoint, skipped = self._store.newest()
        for name, reason in skipped:
            warnings.warn(
                f"BackupAndRestore: {self.backup_dir / name} is not used: {reason}", stacklevel=2
            )
        if checkpoint is None:
            self._begin()
            return
        try:
            position = run.prepare(checkpoint.tensors, checkpoint.state)
        except UsageError as error:
            raise UsageError(
                f"BackupAndRestore: {self.backup_dir} cannot be continued: {error}\nGive this run "
                "a folder of its own, or empty that one to begin anew"
            ) from error
        self._begin()
        if position is None:
            return
        for doubt in run.doubts():
            warnings.warn(
                "BackupAndRestore: the run goes on, but may not end bit for bit as it would have: "
                f"{doubt}",
                stacklevel=2,
            )
        saved_at = _clock(checkpoint.manifest.saved_at)
        print(f"BackupAndRestore: resuming at {position} (saved {saved_at})")

    def save_point(self, position: Position) -> None:
        """Save if it is due, and leave if somebody asked to."""
        asked = self._signals.asked
        self.batches += position.batches > 0
        if asked is None and not self._is_due(position):
            if self._saver is not None:
                self._guarded(self._saver.check)
            return
        if not self.model.diverged:  # the last good one is what a new start wants
            self._guarded(lambda: self._save(position, wait=asked is not None))
        if asked is not None:
            self.close()

    def leave_point(self) -> None:
        """Leave a validation if somebody asked to; the run that goes on begins it anew."""
        if self._signals.asked is None or self._run is None:
            return
        position = self._run.held
        if position is not None:  # else the validation has put other weights in place: it ends
            self._guarded(lambda: self._save(position, wait=True))
            self.close()

    def on_train_end(self, logs: Any = None) -> None:
        """Finish the save under way, and remove the run where that is wanted."""
        if self._saver is not None:
            self._guarded(self._saver.finish)
        if self._store is not None and self.delete_checkpoint and not self.model.diverged:
            self._store.delete()

    def close(self) -> None:
        """Wait for the save under way, and let go of the folder and of the signals."""
        self._signals.give_back()
        saver, self._saver = self._saver, None
        store, self._store = self._store, None
        try:
            if saver is not None:
                saver.finish()
        finally:
            if store is not None:
                store.close()
            if self._signals.asked is not None:  # came when there was nothing left to save
                self._signals.leave()

    def _begin(self) -> None:
        self._saved_at = time.monotonic()
        self.batches = 0
        self._signals.take()

    def _is_due(self, position: Position) -> bool:
        seconds = self.every_seconds
        if seconds is not None and time.monotonic() - self._saved_at >= seconds:
            return True
        if isinstance(self.save_freq, int):
            # Through all epochs: they may be shorter than this.
            return position.batches > 0 and self.batches % self.save_freq == 0
        return position.batches == 0

    def _save(self, position: Position, *, wait: bool) -> None:
        assert self._run is not None  # given before training begins
        assert self._store is not None
        tensors, state = self._run.capture(position)
        if self._saver is None:
            self._store.save(tensors, state, str(position))
        else:
            self._saver.save(tensors, state, str(position))
            if wait:
                self._saver.finish()
        self._saved_at = time.monotonic()
        for text in self._store.problems:
            warnings.warn(f"BackupAndRestore: {text}", stacklevel=2)
        self._store.problems.clear()

    def _guarded(self, work: Any) -> None:
        """Do what may meet a full disk, and follow `on_save_error` if it does."""
        try:
            work()
        except StorageError as error:
            if self.on_save_error == "raise":
                raise
            warnings.warn(f"BackupAndRestore: the run was not saved: {error}", stacklevel=2)


def _is_count(value: object, least: int) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= least


def _clock(saved_at: str) -> str:
    """Return a time of UTC as a clock on the wall shows it, with the day if it was another one."""
    then = datetime.strptime(saved_at, "%Y-%m-%dT%H:%M:%SZ").replace(tzinfo=UTC).astimezone()
    today = then.date() == datetime.now().astimezone().date()
    return then.strftime("%H:%M:%S" if today else "%Y-%m-%d %H:%M:%S")
