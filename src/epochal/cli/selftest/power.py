"""What a disk may hold after a power failure, worked out from what a run did to it.

The model is a pessimist's reading of POSIX: what a file holds is sure after `sync`, which names a
folder holds after `sync_folder`; everything since may be there, in part, in another order, or not.
"""

import hashlib
import os
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Literal, TypeAlias

from epochal.storage.disk import Disk

if TYPE_CHECKING:
    from typing_extensions import Buffer

__all__ = ["PowerDisk", "Tree", "tree_key"]

# Paths inside of the run's folder, with the content of files; `None` for folders.
Tree: TypeAlias = dict[str, bytes | None]
FileMode: TypeAlias = Literal["none", "half", "full", "zeros"]


@dataclass(eq=False)
class _File:
    sure: bytes = b""
    # What was done since: where, and which bytes; `None` with a length to cut to.
    since: list[tuple[int, bytes | None]] = field(default_factory=list)

    def content(self, mode: FileMode) -> bytes:
        if mode == "none" or not self.since:
            return self.sure
        data = bytearray(self.sure)
        changes = self.since
        if mode == "half":
            whole, odd = divmod(len(changes), 2)
            changes = changes[:whole]
            if odd and (torn := self.since[whole])[1] is not None:
                changes = [*changes, (torn[0], torn[1][: len(torn[1]) // 2])]
        for at, piece in changes:
            if piece is None:
                del data[at:]
                continue
            data.extend(bytes(max(0, at + len(piece) - len(data))))
            data[at : at + len(piece)] = bytes(len(piece)) if mode == "zeros" else piece
        return bytes(data)


@dataclass(eq=False)
class _Folder:
    sure: dict[str, "_File | _Folder"] = field(default_factory=dict)
    # What was done since: a name that went, a name that came, and what bears it.
    since: list[tuple[str | None, str | None, "_File | _Folder | None"]] = field(
        default_factory=list
    )

    def names(self, done: set[int] | None = None) -> dict[str, "_File | _Folder"]:
        found = dict(self.sure)
        for index, (gone, come, node) in enumerate(self.since):
            if done is None or index in done:
                if gone is not None:
                    found.pop(gone, None)
                if come is not None and node is not None:
                    found[come] = node
        return found


class PowerDisk(Disk):
    """Does what the real disk does, without waiting for it, and keeps a model of what is sure.

    Args:
        root: The run's folder; it exists and is empty.
        state: Called with each state that a power failure may leave after an operation.
        fail_sync: The how-manieth `sync` fails, counted from 0. As on Linux, what was not written
            then is never written, though a later `sync` succeeds.
    """

    def __init__(
        self, root: Path, state: Callable[[Tree], None], *, fail_sync: int | None = None
    ) -> None:
        self._root = str(root)
        self._state = state
        self._top = _Folder()
        self._files: dict[int, _File] = {}
        self._fail_sync = fail_sync
        self._syncs = 0
        self._one = threading.RLock()  # a saving thread and its caller use the disk at once
        self.operations = 0

    # Operations

    def open(self, path: Path, flags: int, mode: int = 0o666) -> int:
        """Open a file."""
        with self._one:
            handle = super().open(path, flags, mode)
            folder, name = self._place(path)
            if folder is None:
                return handle
            node = folder.names().get(name)
            if isinstance(node, _File):
                self._files[handle] = node
                if flags & os.O_TRUNC and node.content("full"):
                    node.since.append((0, None))
                    self._changed()
            else:
                self._files[handle] = node = _File()
                folder.since.append((None, name, node))
                self._changed()
            return handle

    def close(self, handle: int) -> None:
        """Close a file."""
        with self._one:
            self._files.pop(handle, None)
            super().close(handle)

    def write(self, handle: int, data: "Buffer") -> int:
        """Write."""
        with self._one:
            written = super().write(handle, data)
            if handle in self._files:
                at = os.lseek(handle, 0, os.SEEK_CUR) - written
                self._files[handle].since.append((at, bytes(memoryview(data).cast("B")[:written])))
                self._changed()
            return written

    def truncate(self, handle: int, size: int) -> None:
        """Cut."""
        with self._one:
            super().truncate(handle, size)
            if handle in self._files:
                self._files[handle].since.append((size, None))
                self._changed()

    def sync(self, handle: int) -> None:
        """Make a file sure, or fail."""
        with self._one:
            file = self._files.get(handle)
            self._syncs += 1
            if self._syncs - 1 == self._fail_sync:
                if file is not None:
                    file.since = [(at, piece and bytes(len(piece))) for at, piece in file.since]
                raise OSError(5, "Input/output error")
            if file is not None:
                file.sure, file.since = file.content("full"), []
                self._changed()

    def rename(self, old: Path, new: Path) -> None:
        """Rename."""
        with self._one:
            super().rename(old, new)
            self._moved(old, new)

    def unlink(self, path: Path) -> None:
        """Remove a file."""
        with self._one:
            super().unlink(path)
            self._gone(path)

    def rmdir(self, path: Path) -> None:
        """Remove a folder."""
        with self._one:
            super().rmdir(path)
            self._gone(path)

    def mkdir(self, path: Path) -> None:
        """Make a folder."""
        with self._one:
            super().mkdir(path)
            folder, name = self._place(path)
            if folder is not None:
                folder.since.append((None, name, _Folder()))
                self._changed()

    def sync_folder(self, folder: Path) -> None:
        """Make the names in a folder sure."""
        with self._one:
            node = self._find(str(folder))
            if isinstance(node, _Folder):
                node.sure, node.since = node.names(), []
                self._changed()

    # The model

    def _place(self, path: Path) -> tuple[_Folder | None, str]:
        """Return the folder that a path lies in, `None` if it is outside of the run's."""
        node = self._find(os.path.dirname(str(path)))
        return (node if isinstance(node, _Folder) else None), os.path.basename(str(path))

    def _find(self, path: str) -> "_File | _Folder | None":
        if path != self._root and not path.startswith(self._root + os.sep):
            return None
        node: _File | _Folder | None = self._top
        for name in path[len(self._root) :].split(os.sep):
            if name:
                node = node.names().get(name) if isinstance(node, _Folder) else None
        return node

    def _moved(self, old: Path, new: Path) -> None:
        source, gone = self._place(old)
        target, come = self._place(new)
        node = source.names().get(gone) if source else None
        if source is not None and source is target:
            source.since.append((gone, come, node))
        else:
            if source is not None:
                source.since.append((gone, None, None))
            if target is not None:
                target.since.append((None, come, node or _File(new.read_bytes())))
        self._changed()

    def _gone(self, path: Path) -> None:
        folder, name = self._place(path)
        if folder is not None:
            folder.since.append((name, None, None))
            self._changed()

    def _changed(self) -> None:
        self.operations += 1
        for tree in self._states():
            self._state(tree)

    def _states(self) -> Iterator[Tree]:
        """Give what may be on the disk: each folder's changes cut short or one of them left out."""
        root = self._top
        nodes = list(_all_nodes(root))
        unsure = [node for node in nodes if isinstance(node, _Folder) and node.since]
        choices: list[dict[_Folder, set[int]]] = [{}, {folder: set() for folder in unsure}]
        for folder in unsure:
            count = len(folder.since)
            choices += [{folder: set(range(length))} for length in range(count)]
            choices += [{folder: set(range(count)) - {left}} for left in range(count)]
        modes: list[FileMode] = ["full"]
        if any(isinstance(node, _File) and node.since for node in nodes):
            modes = ["none", "half", "full", "zeros"]
        for choice in choices:
            for mode in modes:
                tree: Tree = {}
                _lay_out(root, "", choice, mode, tree)
                yield tree


def tree_key(tree: Tree) -> bytes:
    """Return a hash of a state: equal for states that cannot be told apart."""
    hashed = hashlib.sha256()
    for path in sorted(tree):
        content = tree[path]
        hashed.update(f"{path}\0{-1 if content is None else len(content)}\0".encode())
        hashed.update(content or b"")
    return hashed.digest()


def _all_nodes(folder: _Folder) -> Iterator[_File | _Folder]:
    yield folder
    for node in {*folder.sure.values(), *folder.names().values()}:
        if isinstance(node, _Folder):
            yield from _all_nodes(node)
        else:
            yield node


def _lay_out(
    folder: _Folder, at: str, choice: dict[_Folder, set[int]], mode: FileMode, tree: Tree
) -> None:
    for name, node in folder.names(choice.get(folder)).items():
        path = f"{at}{name}"
        if isinstance(node, _File):
            tree[path] = node.content(mode)
        else:
            tree[path] = None
            _lay_out(node, path + "/", choice, mode, tree)
