"""Times several ways to do the same work, turn by turn, and prints how they compare."""

import math
import statistics
import time
from collections.abc import Callable, Mapping, Sequence

import torch
from rich.console import Console
from rich.table import Table

__all__ = ["Work", "compare", "same", "show", "times_of"]

Work = Callable[[], object]

# Fixed, so that what is printed into a file reads as on a terminal.
_CONSOLE = Console(width=120)


def times_of(
    ways: Mapping[str, Work], units: int, rounds: int
) -> tuple[dict[str, list[float]], dict[str, list[float]]]:
    """Time every way once a round, in turn; return microseconds per unit by clock and processor.

    Turn by turn, because a machine that slows down for a second then slows all of them.

    Args:
        ways: What to call, by name.
        units: How many units one call does.
        rounds: How often; one more before is not counted.
    """
    took: dict[str, list[float]] = {name: [] for name in ways}
    spent: dict[str, list[float]] = {name: [] for name in ways}
    for measured in range(rounds + 1):
        for name, work in ways.items():
            began = time.perf_counter(), time.process_time()
            work()
            ended = time.perf_counter(), time.process_time()
            if measured:
                took[name].append((ended[0] - began[0]) / units * 1e6)
                spent[name].append((ended[1] - began[1]) / units * 1e6)
    return took, spent


def compare(
    title: str, unit: str, units: int, ways: Mapping[str, Work], rounds: int
) -> dict[str, list[float]]:
    """Time every way, print medians and their ratio to the first way, and return the times.

    The ratio is taken within each round, since the rounds differ; its median and quartiles are
    shown. "best" is the ratio of the quickest rounds, which other work on the machine disturbs
    least. "processor" is the ratio of the time that the processor worked for this process: without
    what it did for others, and without waiting for a disk.

    Args:
        title: What is timed.
        unit: What one of them is called: "step", "epoch".
        units: How many of them one call does.
        ways: What to call, by name; the first is what the others are compared with.
        rounds: How often; one more before is not counted.
    """
    took, spent = times_of(ways, units, rounds)
    first, first_spent = (next(iter(every.values())) for every in (took, spent))
    rows = []
    for name, times in took.items():
        low, median, high = statistics.quantiles(times, n=4)
        ratios = [time / base for time, base in zip(times, first, strict=True)]
        least, ratio, most = statistics.quantiles(ratios, n=4)
        worked = spent[name]
        shares = [time / base for time, base in zip(worked, first_spent, strict=True)]
        added = statistics.median(t - base for t, base in zip(worked, first_spent, strict=True))
        rows.append(
            (
                name,
                f"{median:,.1f}",
                f"{low:,.1f}-{high:,.1f}",
                f"{ratio:.2f}",
                f"{least:.2f}-{most:.2f}",
                f"{min(times) / min(first):.2f}",
                f"{statistics.median(shares):.2f}",
                f"{added:,.1f}",
            )
        )
    threads = torch.get_num_threads()
    many = "thread" if threads == 1 else "threads"
    clock = ("ratio", "quartiles", "best", "processor: ratio", "added us")
    headings = ("", f"us per {unit}", "quartiles", *clock)
    show(f"{title} ({rounds} rounds, {threads} {many})", headings, rows)
    return took


def show(title: str, headings: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Print a table."""
    table = Table(title=title)
    table.title_justify = "left"
    for index, heading in enumerate(headings):
        table.add_column(heading, justify="right" if index else "left")
    for row in rows:
        table.add_row(*row)
    _CONSOLE.print(table)


def same(what: str, ours: float, theirs: float, tolerance: float = 1e-4) -> None:
    """Stop unless two ways gave the same loss: times of different arithmetic compare nothing."""
    if not math.isclose(ours, theirs, rel_tol=tolerance):
        raise SystemExit(f"{what}: not the same arithmetic: loss {ours} and {theirs}")
