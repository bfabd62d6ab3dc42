"""`python -m epochal inspect FILE`: what a model file holds, without loading it."""

import argparse
import math
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from epochal.cli.contents import Contents, Stored, read_contents, total
from epochal.cli.runs import SavedRun, read_run
from epochal.core.errors import printable

if TYPE_CHECKING:
    Commands = argparse._SubParsersAction[argparse.ArgumentParser]

__all__ = ["add_to", "run"]

_LAST_EPOCHS = 10


def add_to(commands: "Commands") -> None:
    """Add the command to a parser."""
    parser = commands.add_parser(
        "inspect",
        help="say what a model file, or a run's folder, holds",
        description="Say what a model file holds (format, layers, shapes, types, optimizer, "
        "compile settings, sizes), without loading its tensors. Safe on any file.",
    )
    parser.add_argument(
        "file",
        help="a .keras, .h5, .weights.h5, .safetensors or .epochal file, or a run's folder",
    )
    parser.set_defaults(run=run)


def run(given: argparse.Namespace) -> None:
    """Print the tables."""
    contents = read_contents(given.file)
    console = Console(highlight=False)
    seen = read_run(contents.path) if contents.checkpoints else None
    if seen is not None:
        contents.notes |= seen.facts
    console.print(_head(contents))
    if seen is not None:
        _show_run(console, seen)
    layers = contents.layers()
    if layers:
        table = _table("Layers", "Name", "Class", "Settings")
        for layer in layers:
            indent = "  " * layer.depth
            table.add_row(_text(indent + layer.name), _text(layer.kind), _text(layer.settings))
        console.print(table)
    title = "Tensors of the newest" if contents.checkpoints else "Weights"
    _arrays(console, title, contents.weights)
    _arrays(console, "Optimizer state", contents.optimizer)
    if isinstance(contents.compiled, dict) and contents.compiled:
        table = _table("Compiled with", "Setting", "Value")
        for name, value in contents.compiled.items():
            if value not in (None, [], {}):
                table.add_row(_text(name), _text(_said(value)))
        console.print(table)


def _show_run(console: Console, run: SavedRun) -> None:
    table = _table("Checkpoints", "Name", "Saved (UTC)", "Position", "Size", "State")
    for seen in run.checkpoints:
        state = "verified" if seen.problem is None else f"damaged: {seen.problem}"
        of = seen.manifest
        told = ("", "", "") if of is None else (of.saved_at, of.position, _bytes(of.size))
        table.add_row(_text(seen.name), *map(_text, told), _text(state))
    console.print(table)
    if not run.curves:
        return
    first = max(0, len(run.epochs) - _LAST_EPOCHS)
    title = f"The last {_LAST_EPOCHS} of {len(run.epochs)} epochs" if first else "Epochs"
    table = _table(title, "Epoch", *map(printable, run.curves))
    for row in range(first, len(run.epochs)):
        values = (curve[row] for curve in run.curves.values())
        numbers = ("" if value is None else f"{value:.6g}" for value in values)
        table.add_row(str(run.epochs[row]), *numbers)
    console.print(table)


def _head(contents: Contents) -> Table:
    table = Table(show_header=False, box=None, pad_edge=False)
    table.add_column(style="bold")
    table.add_column(overflow="fold")
    table.add_row("File", _text(str(contents.path)))
    table.add_row("Format", f"{contents.format}, {_bytes(contents.size)}")
    count = sum(math.prod(stored.shape) for stored in contents.weights)
    held = (
        f"{count:,} numbers in {len(contents.weights):,} arrays, {_bytes(total(contents.weights))}"
    )
    table.add_row("Weights", held)
    if contents.optimizer:
        size = _bytes(total(contents.optimizer))
        table.add_row("Optimizer", f"{len(contents.optimizer):,} arrays, {size}")
    described = contents.model
    if isinstance(described, dict):
        config = described.get("config")
        name = config.get("name", "") if isinstance(config, dict) else described.get("name", "")
        table.add_row("Model", _text(f"{described.get('class_name', '')} {name}".strip()))
    for key, value in contents.notes.items():
        table.add_row(_text(key), _text(value))
    for member, size_of_it in contents.members:
        table.add_row("Member", _text(f"{member}, {_bytes(size_of_it)}"))
    return table


def _arrays(console: Console, title: str, arrays: Iterable[Stored]) -> None:
    table = _table(title, "Name", "Shape", "Type", "Bytes")
    table.columns[3].justify = "right"
    for stored in arrays:
        shape = str(tuple(stored.shape))
        table.add_row(_text(stored.name), shape, _text(stored.dtype), f"{stored.nbytes:,}")
    if table.row_count:
        console.print(table)


def _table(title: str, *columns: str) -> Table:
    table = Table(title=title, title_justify="left", title_style="bold")
    for column in columns:
        table.add_column(column, overflow="fold")
    return table


def _said(value: Any) -> str:
    """Return a setting as one would write it, without the names of Keras' modules."""
    if isinstance(value, dict) and "class_name" in value:
        config = value.get("config")
        inner = config if isinstance(config, dict) else {}
        told = ", ".join(f"{k}={_said(v)}" for k, v in inner.items() if v is not None)
        return f"{value['class_name']}({told})"
    if isinstance(value, dict):
        return ", ".join(f"{key}: {_said(item)}" for key, item in value.items())
    if isinstance(value, list):
        return ", ".join(map(_said, value))
    return str(value)


def _text(text: str) -> Text:
    return Text(printable(text))


def _bytes(count: int) -> str:
    size = float(count)
    for unit in ("bytes", "KiB", "MiB"):
        if size < 1024:
            return f"{size:.0f} {unit}" if unit == "bytes" else f"{size:.1f} {unit}"
        size /= 1024
    return f"{size:.1f} GiB"
