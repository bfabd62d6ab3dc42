"""A recorded learning curve: from a History, a dict of lists, or a CSV file of ours or Keras'."""

import csv
import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Literal, Protocol, runtime_checkable

from epochal.core.errors import UsageError, unknown_name

__all__ = ["Curve", "Recorded", "curve_of", "read_log"]

_MISSING: Final = ("", "NA", "N/A", "None", "null")


@runtime_checkable
class Recorded(Protocol):
    """What `fit` returns, here or in Keras."""

    history: dict[str, list[Any]]
    epoch: list[int]


@dataclass(frozen=True)
class Curve:
    """What one run recorded, an entry an epoch.

    Attributes:
        monitor: The name of the validation value.
        mode: Whether small or large values of it are good.
        epochs: The epochs as recorded.
        training: The training values, None where missing.
        validation: The validation values, None where missing.
        test: The test values; empty if none were recorded.
    """

    monitor: str
    mode: Literal["min", "max"]
    epochs: Sequence[int]
    training: Sequence[float | None]
    validation: Sequence[float | None]
    test: Sequence[float | None]


def curve_of(
    record: Recorded | Mapping[str, Sequence[Any]] | str | os.PathLike[str],
    monitor: str,
    training: str | None,
    test: str | None,
    mode: Literal["auto", "min", "max"],
) -> Curve:
    """Return the three columns of a record that stopping is about.

    Raises:
        UsageError: If a column is missing or is no column of numbers, or the mode cannot be told.
    """
    columns = _columns(record)
    if monitor not in columns:
        raise UsageError(f"replay: {unknown_name('column to monitor', monitor, columns)}")
    for name in (training, test):
        if name is not None and name not in columns:
            raise UsageError(f"replay: {unknown_name('column', name, columns)}")
    length = max(map(len, columns.values()))

    def numbers(name: str) -> list[float | None]:
        values = columns[name]
        if len(values) != length:
            raise UsageError(
                f"replay: {name!r} has {len(values)} values for {length} epochs; put None where "
                "an epoch has none, so that it is known which they belong to"
            )
        return [_number(value, name) for value in values]

    epochs = numbers("epoch") if "epoch" in columns else [*range(length)]
    plain = monitor.removeprefix("val_")
    if training is None and plain in columns:
        training = plain
    if test is None and f"test_{plain}" in columns:
        test = f"test_{plain}"
    return Curve(
        monitor,
        _direction(monitor, mode),
        [index if epoch is None else int(epoch) for index, epoch in enumerate(epochs)],
        [None] * length if training is None else numbers(training),
        numbers(monitor),
        [] if test is None else numbers(test),
    )


def read_log(path: str | os.PathLike[str], separator: str | None = None) -> dict[str, list[Any]]:
    r"""Read what a `CSVLogger`, ours or Keras', has written.

    Args:
        path: The file.
        separator: What stands between two fields; None to see it in the header, of which the
            first column is `epoch`.

    Returns:
        Name to column; a field that is empty or `NA` is None, any other a text.

    Raises:
        UsageError: If there is no header, a line has too many or few fields, or the epochs go
            back, because the file holds several runs.

    Example:
        >>> import tempfile
        >>> path = Path(tempfile.mkdtemp()) / "log.csv"
        >>> _ = path.write_text("epoch;loss;val_loss\n0;0.5;NA\n1;0.25;0.75\n")
        >>> read_log(path)
        {'epoch': ['0', '1'], 'loss': ['0.5', '0.25'], 'val_loss': [None, '0.75']}
    """
    try:
        # Tools that write for Excel put a mark before the header.
        lines = Path(path).read_text(encoding="utf-8-sig").splitlines()
    except OSError as error:
        raise UsageError(f"replay: cannot read {os.fspath(path)!r}: {error.strerror}") from None
    if not lines:
        raise UsageError(f"replay: {os.fspath(path)!r} is empty; expected a header and rows")
    if separator is None:
        found = re.match(r"\s*\"?epoch\"?([^\w\s\"]|\t| )", lines[0])
        separator = found[1] if found else ","
    header, *rows = csv.reader(lines, delimiter=separator)
    last = -1.0
    for number, row in enumerate(rows, start=2):
        if row and len(row) != len(header):
            raise UsageError(
                f"replay: line {number} of {os.fspath(path)!r} has {len(row)} fields, the header "
                f"{len(header)}; give the separator, or repair the line"
            )
        if row and header[0] == "epoch":
            now = _number(row[0], "epoch") or 0.0
            if now <= last:
                raise UsageError(
                    f"replay: epoch {row[0]} in line {number} of {os.fspath(path)!r} comes after "
                    f"{last:g}; the file holds more than one run, so split it"
                )
            last = now
    table = [[None if field.strip() in _MISSING else field for field in row] for row in rows if row]
    return {name: [row[index] for row in table] for index, name in enumerate(header)}


def _columns(
    record: Recorded | Mapping[str, Sequence[Any]] | str | os.PathLike[str],
) -> dict[str, Sequence[Any]]:
    if isinstance(record, (str, os.PathLike)):
        columns: dict[str, Sequence[Any]] = {**read_log(record)}
    elif isinstance(record, Mapping):
        columns = dict(record)
    elif isinstance(record, Recorded):
        # Ours knows which epochs the values of a column belong to; Keras' does not.
        owners: Mapping[str, list[int]] = getattr(record, "epochs_of", {})
        columns = {"epoch": record.epoch}
        for name, values in record.history.items():
            known = dict(zip(owners.get(name, ()), values, strict=False))
            columns[name] = [known.get(epoch) for epoch in record.epoch] if known else values
    else:
        raise UsageError(
            f"replay: got {type(record).__name__}; give a History, a dict of lists, or the path "
            "of a CSV file"
        )
    if not any(map(len, columns.values())):
        raise UsageError("replay: the record has no epoch at all")
    return columns


def _number(value: Any, name: str) -> float | None:
    if value is None:
        return None
    try:
        return float(value)
    except (TypeError, ValueError):
        raise UsageError(f"replay: {name!r} has {value!r}; expected numbers") from None


def _direction(monitor: str, mode: Literal["auto", "min", "max"]) -> Literal["min", "max"]:
    if mode not in ("auto", "min", "max"):
        raise UsageError(f"replay: {unknown_name('mode', mode, ('auto', 'min', 'max'))}")
    if mode != "auto":
        return mode
    if re.search(r"loss|err|mse|mae", monitor.lower()):
        return "min"
    if re.search(r"acc|auc|f1|precision|recall", monitor.lower()):
        return "max"
    raise UsageError(
        f"replay: cannot tell whether {monitor!r} is better large or small; pass mode='max' or "
        "mode='min'"
    )
