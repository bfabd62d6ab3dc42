"""A text file that grows by whole lines."""

import os

from epochal.storage.atomic import StorageError, StrPath

__all__ = ["LineFile"]


class LineFile:
    """Appends lines; each reaches the file whole or, if the disk is full, not at all.

    Args:
        path: The file.
        append: Whether to go on after what is there, instead of starting anew.

    Raises:
        StorageError: If the machine cannot open or write the file.

    Example:
        >>> import tempfile
        >>> lines = LineFile(f"{tempfile.mkdtemp()}/log.txt", append=False)
        >>> lines.empty, lines.write("one"), lines.empty
        (True, None, False)
        >>> lines.close()
    """

    def __init__(self, path: StrPath, *, append: bool) -> None:
        self.path = path
        try:
            # Unbuffered: a row that was written is seen by readers and survives `kill -9`. Always
            # at the end of the file: where a write failed, the next one leaves no gap.
            flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND | (0 if append else os.O_TRUNC)
            self._file = os.fdopen(os.open(path, flags, 0o666), "ab", buffering=0)
            self._size = os.path.getsize(path)
            torn = self._size and not self._ends_in_newline()
        except OSError as error:
            raise self._cannot(error) from error
        if torn:
            self.write("")  # a crash tore the last line; keep it apart from ours

    @property
    def empty(self) -> bool:
        """Whether nothing has been written yet."""
        return self._size == 0

    def write(self, line: str) -> None:
        """Append one line.

        Raises:
            StorageError: If it cannot be written; what was in the file before is still there.
        """
        data = (line.removesuffix("\n") + "\n").encode()
        written = 0
        try:
            while written < len(data):
                written += self._file.write(data[written:]) or 0
        except OSError as error:
            if written:
                self._file.truncate(self._size)  # no torn line
            raise self._cannot(error) from error
        self._size += len(data)

    def close(self) -> None:
        """Close the file."""
        self._file.close()

    def _ends_in_newline(self) -> bool:
        with open(self.path, "rb") as file:
            file.seek(-1, os.SEEK_END)
            return file.read() == b"\n"

    def _cannot(self, error: OSError) -> StorageError:
        reason = error.strerror or str(error)
        return StorageError(
            error.errno, f"cannot write {os.fspath(self.path)}: {reason}; whole lines are kept"
        )
