"""One row an epoch, in a file every spreadsheet opens."""

import csv
import io
import json
import os
import warnings
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Never

from epochal.callbacks.base import Callback
from epochal.core.errors import UsageError, reject_unknown
from epochal.logs import LogNames
from epochal.storage.lines import LineFile, LineMark, cut_lines

__all__ = ["CSVLogger"]


class CSVLogger(Callback):
    """Writes what each epoch logged as one row of a CSV file.

    The columns are known before the first row: `epoch` (counted from 0), then everything that will
    be logged. A value that an epoch does not have is an empty field. Each row reaches the file
    whole or not at all.

    Args:
        filename: The file.
        separator: What stands between two fields.
        append: Whether to go on in a file that exists; its columns have to be the same.

    Raises:
        UsageError: If the separator is not one character.

    Example:
        >>> import tempfile
        >>> path = Path(tempfile.mkdtemp()) / "log.csv"
        >>> logger = CSVLogger(path)
        >>> logger.on_train_begin(); logger.on_epoch_end(0, {"loss": 0.5}); logger.close()
        >>> print(path.read_text(), end="")
        epoch,loss
        0,0.5
    """

    reads_all = True

    def __init__(
        self,
        filename: str | os.PathLike[str],
        separator: str = ",",
        append: bool = False,
        **unknown: Never,
    ) -> None:
        reject_unknown(CSVLogger.__init__, unknown)
        if not isinstance(separator, str) or len(separator) != 1:
            raise UsageError(f"CSVLogger: separator is {separator!r}; give one character")
        self.filename = Path(filename)
        self.separator = separator
        self.append = append
        self._names: LogNames | None = None
        self._columns: list[str] | None = None
        self._file: LineFile | None = None
        self._warned = False
        self._mark: LineMark | None = None

    def state_dict(self) -> dict[str, Any]:
        """Return the columns, and how much of the file belongs to the run so far."""
        mark = None if self._file is None else list(self._file.mark())
        return {"columns": self._columns, "mark": mark}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go on with the columns of the run; the file has been continued by then."""
        self._columns = state["columns"]

    def before_resume(self, state: Mapping[str, Any]) -> None:
        """Note how far the file belongs to the run: the rows behind that will come again."""
        self._mark = None if state["mark"] is None else LineMark(*state["mark"])

    def check(self, names: LogNames) -> Iterable[str]:
        """Fix the columns, and compare them with those of a file to append to."""
        self._names = names if names.complete else None
        if not self.filename.parent.is_dir():
            yield (
                f"CSVLogger: the folder of {str(self.filename)!r} does not exist; make it, or give "
                "another filename"
            )
        elif self.filename.is_dir():
            yield f"CSVLogger: {str(self.filename)!r} is a folder; give a file"
        elif self._names is not None and self.append:
            yield from self._header_problems(["epoch", *self._names])

    def on_train_begin(self, logs: Any = None) -> None:
        """Open the file, and write the header if the columns are known."""
        self.close()
        mark, self._mark = self._mark, None
        if mark is not None:
            cut_lines(self.filename, mark)
        self._file = LineFile(self.filename, append=self.append or mark is not None)
        self._columns, self._warned = None, False
        if self._names is not None:
            self._begin(["epoch", *self._names])

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        """Write the epoch's row."""
        if self._file is None:
            raise UsageError("CSVLogger: on_epoch_end without on_train_begin; no file is open")
        logs = logs or {}
        if self._columns is None:
            self._begin(["epoch", *logs])
        row = {"epoch": epoch, **logs}
        late = [name for name in row if name not in (self._columns or ())]
        if late and not self._warned:
            self._warned = True
            warnings.warn(
                f"CSVLogger: {', '.join(late)} came after the columns of {str(self.filename)!r} "
                "were fixed and is not written; name it in `provides` of the callback that logs it",
                stacklevel=2,
            )
        self._file.write(self._line([_field(row.get(name)) for name in self._columns or ()]))

    def on_train_end(self, logs: Any = None) -> None:
        """Close the file."""
        self.close()

    def close(self) -> None:
        """Close the file."""
        if self._file is not None:
            self._file.close()
            self._file = None

    def _begin(self, columns: list[str]) -> None:
        for problem in self._header_problems(columns) if self.append else ():
            raise UsageError(problem)
        self._columns = columns
        if self._file is not None and self._file.empty:
            self._file.write(self._line(columns))

    def _header_problems(self, columns: list[str]) -> Iterable[str]:
        if not self.filename.exists() or not self.filename.stat().st_size:
            return
        with self.filename.open(newline="", encoding="utf-8") as file:
            header = next(csv.reader(file, delimiter=self.separator), [])
        if header != columns:
            yield (
                f"CSVLogger: cannot append to {str(self.filename)!r}: its columns are "
                f"{header}, this run's are {columns}; give another filename, or append=False"
            )

    def _line(self, fields: Sequence[Any]) -> str:
        text = io.StringIO()
        csv.writer(text, delimiter=self.separator, lineterminator="\n").writerow(fields)
        return text.getvalue()


def _field(value: Any) -> Any:
    return json.dumps(value) if isinstance(value, (list, dict)) else value
