"""Times several ways to do the same work, turn by turn, and prints how they compare."""

import statistics
import time
from collections.abc import Callable, Mapping

import torch
from rich.console import Console
from rich.table import Table

Work = Callable[[], object]


def compare(title: str, unit: str, units: int, ways: Mapping[str, Work], rounds: int) -> None:
    """Time every way once a round, in turn, and print medians and their ratio to the first way.

    Turn by turn, because a machine that slows down for a second then slows all of them; the ratio
    is taken within each round for the same reason, and its median is shown.

    Args:
        title: What is timed.
        unit: What one of them is called: "step", "epoch".
        units: How many of them one call does.
        ways: What to call, by name; the first is what the others are compared with.
        rounds: How often; one more before is not counted.
    """
    took: dict[str, list[float]] = {name: [] for name in ways}
    for _ in range(rounds + 1):
        for name, work in ways.items():
            began = time.perf_counter()
            work()
            took[name].append((time.perf_counter() - began) / units * 1e6)
    first = next(iter(took.values()))[1:]
    table = Table(title=f"{title} ({rounds} rounds, {torch.get_num_threads()} thread)")
    table.title_justify = "left"
    table.add_column("")
    for heading in (f"us per {unit}", "quartiles", "added us", "ratio"):
        table.add_column(heading, justify="right")
    for name, every in took.items():
        times = every[1:]
        low, median, high = statistics.quantiles(times, n=4)
        ratios = [time / base for time, base in zip(times, first, strict=True)]
        added = [time - base for time, base in zip(times, first, strict=True)]
        table.add_row(
            name,
            f"{median:.1f}",
            f"{low:.1f}-{high:.1f}",
            f"{statistics.median(added):.1f}",
            f"{statistics.median(ratios):.2f}",
        )
    Console().print(table)
