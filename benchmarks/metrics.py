"""What metrics cost: on a million rows at once, and batch by batch as in a training loop.

python benchmarks/metrics.py [--rounds 5] [--keras PYTHON]

PYTHON is an interpreter of an environment that has Keras; its times come from a process of its own,
asked in turn with the others. Each row is the median of the rounds, and the ratio to epochal's.
"""

import argparse
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

ROWS, CLASSES, BATCH, BATCHES = 10**6, 10, 32, 500
NAMES = ("accuracy", "mae", "precision", "auc", "f1")
SIZES = ("million", "batches")
Work = Callable[[], object]


def data(name: str, size: str) -> list[tuple[Any, Any]]:
    """Return the batches of targets and outputs that suit a metric."""
    rng = np.random.default_rng(0)
    rows = ROWS if size == "million" else BATCH * BATCHES
    if name in ("accuracy", "f1"):
        y_pred = rng.random((rows, CLASSES), dtype=np.float32)
        y_true: Any = rng.integers(0, CLASSES, rows)
        y_true = np.eye(CLASSES, dtype=np.float32)[y_true] if name == "f1" else y_true
    else:
        y_pred = rng.random((rows, 1), dtype=np.float32)
        y_true = rng.integers(0, 2, (rows, 1)).astype(np.float32)
    parts = 1 if size == "million" else BATCHES
    return list(zip(np.array_split(y_true, parts), np.array_split(y_pred, parts), strict=True))


def epochal_work(name: str, size: str) -> Work:
    """Return the work through the scoreboard, as `fit` does it."""
    import torch

    from epochal import metrics
    from epochal.logs import Scoreboard, Scored

    makers: dict[str, Callable[[], metrics.Metric]] = {
        "accuracy": metrics.SparseCategoricalAccuracy,
        "mae": metrics.MeanAbsoluteError,
        "precision": metrics.Precision,
        "auc": metrics.AUC,
        "f1": lambda: metrics.F1Score(average="macro"),
    }
    metric = makers[name]()
    batches = [(torch.tensor(t), torch.tensor(p)) for t, p in data(name, size)]

    def work() -> object:
        board = Scoreboard(["loss"], [Scored(name, metric)])
        for y_true, y_pred in batches:
            board.add_outputs(y_true, y_pred, None)
        return board.moment().read(name)

    return work


def torchmetrics_work(name: str, size: str) -> Work:
    """Return the work as a loop written for torchmetrics does it."""
    import torch
    import torchmetrics

    makers: dict[str, Callable[[], Any]] = {
        "accuracy": lambda: torchmetrics.Accuracy(
            "multiclass", num_classes=CLASSES, average="micro"
        ),
        "mae": torchmetrics.MeanAbsoluteError,
        "precision": lambda: torchmetrics.Precision("binary"),
        "auc": lambda: torchmetrics.AUROC("binary", thresholds=200),
        "f1": lambda: torchmetrics.F1Score("multiclass", num_classes=CLASSES, average="macro"),
    }
    metric = makers[name]()
    batches = []
    for y_true, y_pred in data(name, size):
        target = y_true.argmax(1) if name == "f1" else y_true
        whole = target.astype("int64") if name in ("precision", "auc") else target
        batches.append((torch.tensor(whole), torch.tensor(y_pred)))

    def work() -> object:
        metric.reset()
        for y_true, y_pred in batches:
            metric.update(y_pred, y_true)
        return float(metric.compute())

    return work


def sklearn_work(name: str, size: str) -> Work:
    """Return the work on everything at once; scikit-learn keeps no state over batches."""
    from sklearn import metrics

    y_true, y_pred = (np.concatenate(column) for column in zip(*data(name, size), strict=True))
    if name == "accuracy":
        return lambda: metrics.accuracy_score(y_true, y_pred.argmax(1))
    if name == "mae":
        return lambda: metrics.mean_absolute_error(y_true, y_pred)
    if name == "precision":
        return lambda: metrics.precision_score(y_true[:, 0], y_pred[:, 0] > 0.5)
    if name == "auc":
        return lambda: metrics.roc_auc_score(y_true[:, 0], y_pred[:, 0])
    return lambda: metrics.f1_score(y_true.argmax(1), y_pred.argmax(1), average="macro")


def keras_work(name: str, size: str) -> Work:
    """Return the work as a loop written for Keras does it."""
    import keras

    metric = {
        "accuracy": keras.metrics.SparseCategoricalAccuracy,
        "mae": keras.metrics.MeanAbsoluteError,
        "precision": keras.metrics.Precision,
        "auc": keras.metrics.AUC,
        "f1": lambda: keras.metrics.F1Score(average="macro"),
    }[name]()
    convert = keras.ops.convert_to_tensor
    batches = [(convert(t), convert(p)) for t, p in data(name, size)]

    def work() -> object:
        metric.reset_state()
        for y_true, y_pred in batches:
            metric.update_state(y_true, y_pred)
        return float(metric.result())

    return work


WAYS = {"epochal": epochal_work, "torchmetrics": torchmetrics_work, "scikit-learn": sklearn_work}


def timed(work: Work) -> float:
    """Return the milliseconds one call takes."""
    began = time.perf_counter()
    work()
    return (time.perf_counter() - began) * 1e3


def answer() -> None:
    """Be the process that times Keras: `NAME SIZE` in, milliseconds out."""
    works: dict[str, Work] = {}
    for line in sys.stdin:
        name, size = line.split()
        work = works.setdefault(line, keras_work(name, size))
        print(f"ms {timed(work)}", flush=True)


class Asked:
    """Keras in a process of its own."""

    def __init__(self, python: str) -> None:
        environment = {"KERAS_BACKEND": "torch", "OMP_NUM_THREADS": "1", **os.environ}
        self._process = subprocess.Popen(
            [python, str(Path(__file__).resolve()), "--answer"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env=environment,
        )

    def time(self, name: str, size: str) -> float:
        """Return the milliseconds that Keras takes."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        print(name, size, file=self._process.stdin, flush=True)
        for line in self._process.stdout:
            if line.startswith("ms "):
                return float(line.split()[1])
        raise RuntimeError("the process with Keras ended")


def main() -> None:
    """Time every way for every metric and size, in turn, and print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--keras", metavar="PYTHON")
    parser.add_argument("--answer", action="store_true", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.answer:
        answer()
        return
    import torch
    from rich.console import Console
    from rich.table import Table

    torch.set_num_threads(1)
    asked = Asked(arguments.keras) if arguments.keras else None
    columns = [*WAYS, *(["Keras"] if asked else [])]
    title = f"ms, and ratio to epochal ({arguments.rounds} rounds, 1 thread)"
    table = Table(title=title, title_justify="left")
    for heading in ("rows", "metric", *columns):
        table.add_column(heading, justify="right")
    for size in SIZES:
        for name in NAMES:
            works = {way: make(name, size) for way, make in WAYS.items()}
            took: dict[str, list[float]] = {column: [] for column in columns}
            for _ in range(arguments.rounds + 1):
                for way, work in works.items():
                    took[way].append(timed(work))
                if asked:
                    took["Keras"].append(asked.time(name, size))
            own = took["epochal"][1:]
            cells = []
            for times in took.values():
                ratio = statistics.median(t / o for t, o in zip(times[1:], own, strict=True))
                cells.append(f"{statistics.median(times[1:]):.2f} ({ratio:.2f})")
            rows = f"{ROWS:,}" if size == "million" else f"{BATCHES} x {BATCH}"
            table.add_row(rows, name, *cells)
    Console().print(table)


if __name__ == "__main__":
    main()
