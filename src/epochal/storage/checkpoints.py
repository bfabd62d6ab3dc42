"""The checkpoints of a run: none that was saved is lost, none that is damaged is used."""

import contextlib
import errno
import secrets
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Never

import torch

from epochal.core.errors import UsageError, reject_unknown
from epochal.storage.atomic import (
    StrPath,
    atomic_write,
    free_space_check,
    make_folders,
    remove_leftovers,
)
from epochal.storage.checkpoint_files import (
    MANIFEST,
    STATE,
    TENSORS,
    Checkpoint,
    Manifest,
    Skipped,
    aside_name,
    encode_checkpoint,
    leftover_of,
    name_of,
    read_checkpoint,
    read_manifest,
    verify_files,
    write_recorded,
)
from epochal.storage.checkpoint_list import sequences_in, storage_words
from epochal.storage.checkpoint_removal import Remover
from epochal.storage.disk import disk
from epochal.storage.folder_lock import FolderLock
from epochal.storage.sealed import DamagedError, read_checked, seal, unseal
from epochal.storage.tensor_bytes import TensorBytes

__all__ = ["CheckpointStore"]

_RUN = "run.json"
_ROOM = 1.2  # what has to be free, in sizes of the new checkpoint
_UNTOUCHED = "; what was saved before is untouched"


class CheckpointStore:
    """A folder of checkpoints of one run, open for saving.

    A checkpoint is written aside, synced, read back, and appears under its name by one rename: what
    bears such a name was whole once, whenever the process was killed or the power failed. `save`
    returns when the checkpoint would survive both. Older ones are removed after that, never below
    two that this process has verified.

    Args:
        folder: A folder for this run alone; it is made if it is missing.
        run_id: The run, 32 hexadecimal digits. By default the one whose checkpoints are there,
            or a new one.
        keep: How many verified checkpoints stay, 2 or more: the newest may turn out damaged.

    Raises:
        UsageError: If another process uses the folder, or another run has, or an argument is
            outside of what it can be.
        StorageError: If the machine cannot read or write there.

    Example:
        >>> import tempfile
        >>> folder = tempfile.mkdtemp()
        >>> with CheckpointStore(folder) as store:
        ...     manifest = store.save({"w": torch.ones(2)}, {"epoch": 3}, "epoch 3")
        >>> with CheckpointStore(folder) as store:
        ...     checkpoint, skipped = store.newest()
        >>> checkpoint.manifest.position, checkpoint.tensors, checkpoint.state, skipped
        ('epoch 3', {'w': tensor([1., 1.])}, {'epoch': 3}, [])
    """

    def __init__(
        self,
        folder: StrPath,
        *,
        run_id: str | None = None,
        keep: int = 2,
        **unknown: Never,
    ) -> None:
        reject_unknown(CheckpointStore.__init__, unknown)
        if not isinstance(keep, int) or isinstance(keep, bool) or keep < 2:
            raise UsageError(
                f"CheckpointStore: keep is {keep!r}; give 2 or more, so that another checkpoint is "
                "there if the newest turns out damaged"
            )
        if run_id is not None and (len(run_id) != 32 or set(run_id) - set("0123456789abcdef")):
            raise UsageError(f"CheckpointStore: run_id is {run_id!r}; give 32 hexadecimal digits")
        self.folder = Path(folder)
        self.keep = keep
        # What went wrong without harm: sentences for the user, taken away by whoever shows them.
        self.problems: list[str] = []
        self._closed = False
        self._verified: list[int] = []
        with storage_words("open", self.folder):
            make_folders(self.folder)
        self._lock = FolderLock(self.folder)
        try:
            with storage_words("open", self.folder):
                self._open(run_id)
        except BaseException:
            self._lock.free()
            raise

    def __enter__(self) -> "CheckpointStore":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Let other processes use the folder."""
        self._closed = True
        self._lock.free()

    def newest(self) -> tuple[Checkpoint | None, list[Skipped]]:
        """Return the newest checkpoint that is bit for bit what was saved.

        Returns:
            The checkpoint, or `None` if there is none; and every newer one, with the reason why it
            cannot be used. `None` with some skipped ones means that all there was is damaged.

        Raises:
            StorageError: If the machine cannot read one for a reason that may pass (no descriptors
                left, no permission): going back to an older one would be too early.
        """
        self._check_open()
        skipped: list[Skipped] = []
        with storage_words("read", self.folder):
            found = sequences_in(self.folder)
        for sequence in reversed(found):
            folder = self.folder / name_of(sequence)
            try:
                manifest = read_manifest(folder)
                checkpoint = read_checkpoint(folder, manifest)
            except DamagedError as error:
                skipped.append(Skipped(folder.name, str(error)))
                self._verified = [other for other in self._verified if other != sequence]
                continue
            self._note(sequence)
            return checkpoint, skipped
        return None, skipped

    def save(self, tensors: Mapping[str, torch.Tensor], state: Any, position: str = "") -> Manifest:
        """Save a checkpoint; when this returns it survives a kill and a power failure.

        Args:
            tensors: By name, any shapes; not changed by anybody until this returns.
            state: Dicts with text keys, lists, tuples, text, numbers (NaN too), booleans, `None`.
            position: Where the run stands, in one line for people: "epoch 17, batch 340".

        Returns:
            The manifest. What could not be removed of older ones is in `problems`.

        Raises:
            UsageError: If something cannot be stored.
            StorageError: If the machine cannot write. What was saved before is untouched; the next
                `save` begins anew, with new files.
        """
        return self.write(*encode_checkpoint(tensors, state), position)

    def write(self, content: TensorBytes, text: bytes, position: str = "") -> Manifest:
        """Save what `encode_checkpoint` made; `save` is both in one."""
        self._check_open()
        if not position.isprintable() or len(position) > 200:
            raise UsageError(f"the position {position[:60]!r} is not one line of 200 characters")
        sequence = self._next
        self._next += 1
        folder = self.folder / name_of(sequence)
        aside = self.folder / aside_name(sequence, self.run_id, "partial")
        with storage_words("save", folder, _UNTOUCHED):
            free_space_check(folder, int(_ROOM * (content.size + len(text))))
            try:
                manifest = self._write(aside, sequence, content, text, position)
                self._publish(aside, manifest)
            except BaseException:
                self._remover.leftover(aside)
                raise
        self._known[sequence] = manifest
        with storage_words("save", folder, "; it is there, but may be lost if the power fails"):
            disk().sync_folder(self.folder)
        self._note(sequence)
        self._rotate()
        return manifest

    def delete(self) -> None:
        """Remove every checkpoint of this run, close, and remove the folder if nothing is left."""
        self._check_open()
        self._verified = []
        self._take_away(list(self._known))
        if not self._known:
            self._remover.attempt("remove", self.folder / _RUN, disk().unlink)
        self._closed = True
        self._lock.free(remove=True)
        with storage_words("read", self.folder):
            empty = not disk().names(self.folder)
        if empty:
            self._remover.attempt("remove", self.folder, disk().rmdir)

    # Writing

    def _write(
        self, aside: Path, sequence: int, content: TensorBytes, text: bytes, position: str
    ) -> Manifest:
        """Make the checkpoint under a name that nobody takes for one."""
        disk().mkdir(aside)
        now = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        files = (
            write_recorded(aside / TENSORS, content.pieces()),
            write_recorded(aside / STATE, [text]),
        )
        manifest = Manifest(sequence, self.run_id, now, position, files)
        write_recorded(aside / MANIFEST, [manifest.encode()])
        disk().sync_folder(aside)
        return manifest

    def _publish(self, aside: Path, manifest: Manifest) -> None:
        """Read the checkpoint back, and give it its name."""
        try:
            verify_files(aside, manifest)
        except DamagedError as error:
            raise OSError(errno.EIO, f"it reads back differently: {error}") from error
        disk().rename(aside, self.folder / manifest.name)

    def _note(self, sequence: int) -> None:
        self._verified = sorted({*self._verified, sequence})

    def _rotate(self) -> None:
        """Remove what is older than the verified ones that stay."""
        if len(self._verified) >= self.keep:
            oldest = self._verified[-self.keep]
            self._take_away([sequence for sequence in self._known if sequence < oldest])

    def _take_away(self, sequences: list[int]) -> None:
        for sequence in self._remover.checkpoints(sequences):
            del self._known[sequence]
            self._verified = [other for other in self._verified if other != sequence]

    # Opening

    def _open(self, run_id: str | None) -> None:
        names = disk().names(self.folder)
        self._known: dict[int, Manifest] = {}
        sequences = sequences_in(self.folder)
        for sequence in sequences:
            # A damaged one is left alone; `newest` tells of it if it matters.
            with contextlib.suppress(DamagedError):
                self._known[sequence] = read_manifest(self.folder / name_of(sequence))
        noted = self._noted_run()
        self.run_id = self._choose_run(run_id, noted)
        if noted != self.run_id:
            with atomic_write(self.folder / _RUN) as file:
                file.write(seal({"run_id": self.run_id}, _RUN))
        self._remover = Remover(self.folder, self.run_id, self.problems)
        remove_leftovers(self.folder / _RUN)
        leftovers = [(name, found) for name in names if (found := leftover_of(name))]
        for name, (_, run) in leftovers:
            if run == self.run_id[:8]:
                self._remover.leftover(self.folder / name)
        numbers = [*sequences, *(sequence for _, (sequence, _) in leftovers)]
        self._next = max(numbers, default=0) + 1

    def _noted_run(self) -> str | None:
        """Return the run that the folder was made for; no matter if the note is gone."""
        try:
            return str(unseal(read_checked(self.folder / _RUN, keep=True), _RUN)["run_id"])
        except (DamagedError, KeyError, TypeError):
            return None

    def _choose_run(self, run_id: str | None, noted: str | None) -> str:
        owners = {manifest.run_id: manifest.name for manifest in self._known.values()}
        if noted is not None:
            owners.setdefault(noted, _RUN)
        if run_id is None and len(owners) <= 1:
            return next(iter(owners), None) or secrets.token_hex(16)
        strangers = {owner: name for owner, name in owners.items() if owner != run_id}
        if run_id is None or strangers:
            said = ", ".join(f"{name} is of run {owner[:8]}" for owner, name in strangers.items())
            raise UsageError(
                f"{self.folder} holds checkpoints of another run ({said}); give each run a folder "
                "of its own, or empty this one to begin anew"
            )
        return run_id

    def _check_open(self) -> None:
        if self._closed:
            raise UsageError("this CheckpointStore is closed; open a new one")
