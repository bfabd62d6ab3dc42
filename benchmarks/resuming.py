"""What it costs to save a run each epoch, and to find a place in an epoch again.

    python benchmarks/resuming.py [--rounds 7] [--rows 4096]

Ratios of runs that take turns, so that a busy machine slows both: medians and quartiles.
"""

import argparse
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import torch
from torch import nn

import epochal
from epochal.callbacks import BackupAndRestore, Callback
from epochal.data import ArrayFeed, Feed, IterableFeed
from epochal.utils import set_random_seed


def mini_vgg() -> nn.Module:
    """Return a small VGG for pictures of 28 by 28."""

    def block(inner: int, outer: int) -> list[nn.Module]:
        return [
            nn.Conv2d(inner, outer, 3, padding=1), nn.ReLU(), nn.BatchNorm2d(outer),
            nn.Conv2d(outer, outer, 3, padding=1), nn.ReLU(), nn.BatchNorm2d(outer),
            nn.MaxPool2d(2), nn.Dropout(0.25),
        ]  # fmt: skip

    head = [nn.Flatten(), nn.Linear(64 * 49, 512), nn.ReLU(), nn.BatchNorm1d(512), nn.Dropout(0.5)]
    return nn.Sequential(*block(1, 32), *block(32, 64), *head, nn.Linear(512, 10))


def epoch_seconds(rows: int, folder: Path, asynchronous: bool | None) -> float:
    """Return the seconds of two epochs; with None nothing is saved."""
    set_random_seed(1)
    x, y = torch.randn(rows, 1, 28, 28), torch.randint(10, (rows,))
    model = epochal.Model(mini_vgg())
    model.compile("adam", epochal.losses.SparseCategoricalCrossentropy(from_logits=True))
    saving: list[Callback] = []
    if asynchronous is not None:
        saving = [BackupAndRestore(folder, asynchronous=asynchronous, delete_checkpoint=False)]
    began = time.perf_counter()
    model.fit(x, y, batch_size=128, epochs=2, verbose=0, callbacks=saving)
    return time.perf_counter() - began


def to_first_batch(make: Callable[[], Feed], batches: int) -> float:
    """Return the seconds until a feed gives its first batch after so many."""
    feed = make()
    for _ in zip(feed.epoch(0), range(max(batches, 1)), strict=False):
        pass
    position = feed.position(batches)
    again = make()
    began = time.perf_counter()
    again.resume(position)
    next(iter(again.epoch(0)))
    return time.perf_counter() - began


def show(name: str, ratios: list[float]) -> None:
    """Print the median of ratios and their quartiles."""
    low, middle, high = statistics.quantiles(ratios, n=4)
    print(f"{name:60} {middle:6.3f}  ({low:.3f} to {high:.3f})", flush=True)


def main() -> None:
    """Measure, and print ratios."""
    parser = argparse.ArgumentParser(description="the cost of saving and resuming")
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--rows", type=int, default=4096)
    given = parser.parse_args()
    found: dict[str, list[float]] = {"in the training's thread": [], "in a thread of its own": []}
    for _ in range(given.rounds):
        with tempfile.TemporaryDirectory() as folder:
            plain = epoch_seconds(given.rows, Path(folder), None)
            for name, kind in zip(found, (False, True), strict=True):
                took = epoch_seconds(given.rows, Path(folder) / name.replace(" ", "-"), kind)
                found[name].append(took / plain)
    for name, ratios in found.items():
        show(f"MiniVGG, {given.rows} rows, saved each epoch {name} / not", ratios)

    x = torch.randn(1_000_000, 4)
    feeds: dict[str, Callable[[], Feed]] = {
        "arrays": lambda: ArrayFeed(x, x, None, batch_size=32, shuffle=True, seed=1),
        "a DataLoader without workers": lambda: IterableFeed(
            torch.utils.data.DataLoader(
                torch.utils.data.TensorDataset(x, x), batch_size=32, shuffle=True
            )
        ),
    }
    for name, make in feeds.items():
        turns = [
            (to_first_batch(make, 100), to_first_batch(make, 0)) for _ in range(given.rounds * 3)
        ]
        show(f"1,000,000 rows, {name}: behind 100 batches / at 0", [a / b for a, b in turns])


if __name__ == "__main__":
    main()
