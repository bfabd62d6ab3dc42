"""Saving a checkpoint while training goes on."""

import threading
from collections.abc import Mapping
from typing import Any

import torch

from epochal.storage.checkpoint_files import Manifest, encode_checkpoint
from epochal.storage.checkpoints import CheckpointStore
from epochal.storage.tensor_bytes import TensorBytes, find_ties

__all__ = ["AsyncSaver"]


class AsyncSaver:
    """Saves in a thread: the caller waits for a copy in memory, not for the disk.

    At most one save is under way; a second waits for it. The copies' memory is used again, so it
    costs the size of one checkpoint. The thread is no daemon: a program that ends waits for it.

    Args:
        store: The store; nobody else saves to it meanwhile.

    Example:
        >>> import tempfile
        >>> store = CheckpointStore(tempfile.mkdtemp())
        >>> saver, weight = AsyncSaver(store), torch.zeros(2)
        >>> saver.save({"w": weight}, {"epoch": 1}, "epoch 1")
        >>> _ = weight.fill_(7)
        >>> saver.finish().position, store.newest()[0].tensors
        ('epoch 1', {'w': tensor([0., 0.])})
        >>> store.close()
    """

    def __init__(self, store: CheckpointStore) -> None:
        self._store = store
        self._copies: dict[str, torch.Tensor] = {}
        self._thread: threading.Thread | None = None
        self._error: BaseException | None = None
        self._saved: Manifest | None = None

    @property
    def busy(self) -> bool:
        """Whether a save is under way."""
        return self._thread is not None and self._thread.is_alive()

    def save(self, tensors: Mapping[str, torch.Tensor], state: Any, position: str = "") -> None:
        """Copy everything and begin to save it; the same arguments as `CheckpointStore.save`.

        Raises:
            UsageError: If something cannot be stored.
            StorageError: If the save before this one failed; this one is not begun then.
        """
        self.finish()
        _, text = encode_checkpoint(tensors, state)
        content = TensorBytes(self._copy(tensors))
        thread = threading.Thread(
            target=self._run, args=(content, text, position), name="epochal-saver", daemon=False
        )
        self._thread = thread
        thread.start()

    def check(self) -> None:
        """Raise what went wrong with a save that has ended; costs nothing, for every batch.

        Raises:
            StorageError: If it failed. It is raised once.
        """
        if self._thread is not None and not self._thread.is_alive():
            self.finish()

    def finish(self) -> Manifest | None:
        """Wait for the save that is under way.

        Returns:
            The manifest of the last checkpoint that was saved, `None` if there was none yet.

        Raises:
            StorageError: If it failed. It is raised once.
        """
        if self._thread is not None:
            self._thread.join()
            self._thread = None
        error, self._error = self._error, None
        if error is not None:
            raise error
        return self._saved

    def _run(self, content: TensorBytes, text: bytes, position: str) -> None:
        try:
            self._saved = self._store.write(content, text, position)
        except BaseException as error:  # carried to the thread that can do something about it
            self._error = error

    def _copy(self, tensors: Mapping[str, torch.Tensor]) -> dict[str, torch.Tensor]:
        """Copy into memory of our own, that of the last time where it fits."""
        old, self._copies = self._copies, {}
        ties = find_ties(tensors)
        devices: set[torch.device] = set()
        for name, tensor in tensors.items():
            if name in ties:
                continue
            copy = old.get(name)
            if copy is None or copy.shape != tensor.shape or copy.dtype != tensor.dtype:
                # Locked memory: only into such does a device copy without waiting.
                copy = torch.empty(
                    tensor.shape, dtype=tensor.dtype, pin_memory=tensor.device.type == "cuda"
                )
            copy.copy_(tensor.detach(), non_blocking=True)
            self._copies[name] = copy
            if tensor.device.type == "cuda":
                devices.add(tensor.device)
        for device in devices:
            torch.cuda.synchronize(device)
        return self._copies | {alias: self._copies[name] for alias, name in ties.items()}
