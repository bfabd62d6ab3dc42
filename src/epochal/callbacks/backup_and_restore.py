"""Go on after an interruption with the epoch that comes next."""

import os
import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any, Literal, Never

from epochal.callbacks.base import Callback
from epochal.core.errors import UsageError, reject_unknown
from epochal.logs import LogNames

__all__ = ["BackupAndRestore"]

_NAME = re.compile(r"epoch-(\d{6,})\.safetensors")


class BackupAndRestore(Callback):
    """Saves the run after every epoch; the same script, started again, goes on from there.

    What comes back: weights, the optimizer's state and the number of the epoch. The other
    callbacks' counters and the random generators do not come back yet.

    Args:
        backup_dir: A folder for this run alone; it is made if it is missing.
        save_freq: `"epoch"`. A position inside of an epoch cannot be resumed exactly yet, so a
            number of batches is refused rather than replayed.
        double_checkpoint: Whether the epoch before the last one is kept as well.
        delete_checkpoint: Whether the saved files are removed when training ends well.

    Raises:
        UsageError: If the folder's name is empty, or `save_freq` is something else.

    Example:
        >>> import epochal, tempfile, torch
        >>> model = epochal.Model(torch.nn.Linear(1, 1))
        >>> model.compile("sgd", "mse")
        >>> backup = BackupAndRestore(tempfile.mkdtemp(), delete_checkpoint=False)
        >>> x, y = torch.ones(4, 1), torch.ones(4, 1)
        >>> model.fit(x, y, epochs=2, verbose=0, callbacks=backup).epoch
        [0, 1]
        >>> model.fit(x, y, epochs=5, verbose=0, callbacks=backup).epoch
        BackupAndRestore: resuming at epoch 3 of 5
        [2, 3, 4]
    """

    def __init__(
        self,
        backup_dir: str | os.PathLike[str],
        save_freq: Literal["epoch"] = "epoch",
        double_checkpoint: bool = False,
        delete_checkpoint: bool = True,
        **unknown: Never,
    ) -> None:
        reject_unknown(BackupAndRestore.__init__, unknown)
        if not os.fspath(backup_dir):
            raise UsageError("BackupAndRestore: backup_dir is empty; give a folder for this run")
        if save_freq != "epoch":
            raise UsageError(
                f"BackupAndRestore: save_freq is {save_freq!r}; only 'epoch' can be resumed exactly"
            )
        self.backup_dir = Path(backup_dir)
        self.save_freq = save_freq
        self.double_checkpoint = double_checkpoint
        self.delete_checkpoint = delete_checkpoint

    def check(self, names: LogNames) -> Iterable[str]:
        """See that the folder can be one."""
        if self.backup_dir.exists() and not self.backup_dir.is_dir():
            yield f"BackupAndRestore: {str(self.backup_dir)!r} is a file; give a folder"

    def on_train_begin(self, logs: Any = None) -> None:
        """Bring back the newest epoch that was saved."""
        saved = self._saved()
        if not saved:
            return
        epochs, path = saved[-1]
        if epochs <= self.model.initial_epoch:
            return  # the run was asked to begin behind what is saved
        self.model.restore(path)
        self.model.initial_epoch = epochs
        last = (self.params or {}).get("epochs")
        print(f"BackupAndRestore: resuming at epoch {epochs + 1} of {last}")

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        """Save the run, then remove what is older."""
        if self.model.diverged:
            return  # the last good epoch is what a new start wants
        self.model.save(self.backup_dir / f"epoch-{epoch + 1:06d}.safetensors")
        for _, path in self._saved()[: -2 if self.double_checkpoint else -1]:
            path.unlink()

    def on_train_end(self, logs: Any = None) -> None:
        """Remove what was saved; nothing else in the folder is touched."""
        if not self.delete_checkpoint or self.model.diverged:
            return
        for _, path in self._saved():
            path.unlink()
        if self.backup_dir.is_dir() and not any(self.backup_dir.iterdir()):
            self.backup_dir.rmdir()

    def _saved(self) -> list[tuple[int, Path]]:
        """Return the saved epochs with their files, oldest first."""
        if not self.backup_dir.is_dir():
            return []
        found = ((_NAME.fullmatch(path.name), path) for path in self.backup_dir.iterdir())
        return sorted((int(match[1]), path) for match, path in found if match)
