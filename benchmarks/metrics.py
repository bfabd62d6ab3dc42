"""What metrics cost: on a million rows at once, and batch by batch as in a training loop.

python benchmarks/metrics.py [--rounds 5] [--keras PYTHON] [--metrics NAME ...]

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
SIZES = ("million", "batches")
Work = Callable[[], object]

# What each metric looks at: "classes" are numbers and scores of each, "one-hot" the same with
# one-hot targets, "binary" 0 or 1 and a score, "numbers" a number and another, "labels" two class
# numbers, "vectors" two vectors a row.
KINDS = {
    "accuracy": "classes",
    "top 5": "classes",
    "binary accuracy": "binary",
    "crossentropy": "classes",
    "mse": "numbers",
    "mae": "numbers",
    "cosine": "vectors",
    "precision": "binary",
    "recall": "binary",
    "auc": "binary",
    "f1": "one-hot",
    "mean IoU": "labels",
    "r2": "numbers",
    "matthews": "classes",
}
NAMES = tuple(KINDS)


def data(name: str, size: str) -> list[tuple[Any, Any]]:
    """Return the batches of targets and outputs that suit a metric."""
    rng = np.random.default_rng(0)
    rows = ROWS if size == "million" else BATCH * BATCHES
    kind = KINDS[name]
    columns = CLASSES if kind in ("classes", "one-hot", "vectors") else 1
    y_pred: Any = rng.random((rows, columns), dtype=np.float32)
    if kind in ("classes", "one-hot"):
        y_pred /= y_pred.sum(1, keepdims=True)
        y_true: Any = rng.integers(0, CLASSES, rows)
        y_true = np.eye(CLASSES, dtype=np.float32)[y_true] if kind == "one-hot" else y_true
    elif kind == "binary":
        y_true = rng.integers(0, 2, (rows, 1)).astype(np.float32)
    elif kind == "labels":
        y_true, y_pred = (rng.integers(0, CLASSES, rows) for _ in range(2))
    else:
        y_true = rng.random((rows, columns), dtype=np.float32)
    parts = 1 if size == "million" else BATCHES
    return list(zip(np.array_split(y_true, parts), np.array_split(y_pred, parts), strict=True))


def epochal_work(name: str, size: str) -> Work:
    """Return the work through the scoreboard, as `fit` does it."""
    import torch

    from epochal import metrics
    from epochal.logs import Scoreboard, Scored

    makers: dict[str, Callable[[], metrics.Metric]] = {
        "accuracy": metrics.SparseCategoricalAccuracy,
        "top 5": metrics.SparseTopKCategoricalAccuracy,
        "binary accuracy": metrics.BinaryAccuracy,
        "crossentropy": metrics.SparseCategoricalCrossentropy,
        "mse": metrics.MeanSquaredError,
        "mae": metrics.MeanAbsoluteError,
        "cosine": metrics.CosineSimilarity,
        "precision": metrics.Precision,
        "recall": metrics.Recall,
        "auc": metrics.AUC,
        "f1": lambda: metrics.F1Score(average="macro"),
        "mean IoU": lambda: metrics.MeanIoU(num_classes=CLASSES),
        "r2": metrics.R2Score,
        "matthews": lambda: metrics.MatthewsCorrelation(num_classes=CLASSES),
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

    many: dict[str, Any] = {"task": "multiclass", "num_classes": CLASSES}
    makers: dict[str, Callable[[], Any]] = {
        "accuracy": lambda: torchmetrics.Accuracy(**many, average="micro"),
        "top 5": lambda: torchmetrics.Accuracy(**many, average="micro", top_k=5),
        "binary accuracy": lambda: torchmetrics.Accuracy("binary"),
        "mse": torchmetrics.MeanSquaredError,
        "mae": torchmetrics.MeanAbsoluteError,
        "cosine": lambda: torchmetrics.CosineSimilarity("mean"),
        "precision": lambda: torchmetrics.Precision("binary"),
        "recall": lambda: torchmetrics.Recall("binary"),
        "auc": lambda: torchmetrics.AUROC("binary", thresholds=200),
        "f1": lambda: torchmetrics.F1Score(**many, average="macro"),
        "mean IoU": lambda: torchmetrics.JaccardIndex(**many),
        "r2": torchmetrics.R2Score,
        "matthews": lambda: torchmetrics.MatthewsCorrCoef(**many),
    }
    metric = makers[name]()
    batches = []
    for y_true, y_pred in data(name, size):
        target = y_true.argmax(1) if name == "f1" else y_true
        target = target.astype("int64") if KINDS[name] == "binary" else target
        batches.append((torch.tensor(target), torch.tensor(y_pred)))

    def work() -> object:
        metric.reset()
        for y_true, y_pred in batches:
            metric.update(y_pred, y_true)
        return float(metric.compute())

    return work


def sklearn_work(name: str, size: str) -> Work:
    """Return the work on everything at once; scikit-learn keeps no state over batches."""
    from sklearn import metrics

    y, p = (np.concatenate(column) for column in zip(*data(name, size), strict=True))
    flat = (y[:, 0], p[:, 0]) if y.ndim > 1 else (y, p)
    works: dict[str, Work] = {
        "accuracy": lambda: metrics.accuracy_score(y, p.argmax(1)),
        "top 5": lambda: metrics.top_k_accuracy_score(y, p, k=5, labels=range(CLASSES)),
        "binary accuracy": lambda: metrics.accuracy_score(flat[0], flat[1] > 0.5),
        "crossentropy": lambda: metrics.log_loss(y, p),
        "mse": lambda: metrics.mean_squared_error(y, p),
        "mae": lambda: metrics.mean_absolute_error(y, p),
        "precision": lambda: metrics.precision_score(flat[0], flat[1] > 0.5),
        "recall": lambda: metrics.recall_score(flat[0], flat[1] > 0.5),
        "auc": lambda: metrics.roc_auc_score(*flat),
        "f1": lambda: metrics.f1_score(y.argmax(1), p.argmax(1), average="macro"),
        "mean IoU": lambda: metrics.jaccard_score(y, p, average="macro"),
        "r2": lambda: metrics.r2_score(y, p),
        "matthews": lambda: metrics.matthews_corrcoef(y, p.argmax(1)),
    }
    return works[name]


def keras_work(name: str, size: str) -> Work:
    """Return the work as a loop written for Keras does it."""
    import keras

    makers: dict[str, Callable[[], Any]] = {
        "accuracy": keras.metrics.SparseCategoricalAccuracy,
        "top 5": keras.metrics.SparseTopKCategoricalAccuracy,
        "binary accuracy": keras.metrics.BinaryAccuracy,
        "crossentropy": keras.metrics.SparseCategoricalCrossentropy,
        "mse": keras.metrics.MeanSquaredError,
        "mae": keras.metrics.MeanAbsoluteError,
        "cosine": keras.metrics.CosineSimilarity,
        "precision": keras.metrics.Precision,
        "recall": keras.metrics.Recall,
        "auc": keras.metrics.AUC,
        "f1": lambda: keras.metrics.F1Score(average="macro"),
        "mean IoU": lambda: keras.metrics.MeanIoU(num_classes=CLASSES),
        "r2": keras.metrics.R2Score,
    }
    metric = makers[name]()
    convert = keras.ops.convert_to_tensor
    batches = [(convert(t), convert(p)) for t, p in data(name, size)]

    def work() -> object:
        metric.reset_state()
        for y_true, y_pred in batches:
            metric.update_state(y_true, y_pred)
        return float(metric.result())

    return work


# What a library does not have.
MISSING = {
    ("torchmetrics", "crossentropy"),
    ("scikit-learn", "cosine"),
    ("Keras", "matthews"),
}
WAYS = {"epochal": epochal_work, "torchmetrics": torchmetrics_work, "scikit-learn": sklearn_work}


def timed(work: Work) -> float:
    """Return the milliseconds one call takes."""
    began = time.perf_counter()
    work()
    return (time.perf_counter() - began) * 1e3


def answer() -> None:
    """Be the process that times Keras: `SIZE NAME` in, milliseconds out."""
    works: dict[str, Work] = {}
    for line in sys.stdin:
        size, name = line.strip().split(" ", 1)
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
        print(size, name, file=self._process.stdin, flush=True)
        for line in self._process.stdout:
            if line.startswith("ms "):
                return float(line.split()[1])
        raise RuntimeError("the process with Keras ended")


def main() -> None:
    """Time every way for every metric and size, in turn, and print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--keras", metavar="PYTHON")
    parser.add_argument("--metrics", nargs="+", choices=NAMES, metavar="NAME")
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
        for name in arguments.metrics or NAMES:
            works = {
                way: make(name, size) for way, make in WAYS.items() if (way, name) not in MISSING
            }
            took: dict[str, list[float]] = {column: [] for column in columns}
            for _ in range(arguments.rounds + 1):
                for way, work in works.items():
                    took[way].append(timed(work))
                if asked and ("Keras", name) not in MISSING:
                    took["Keras"].append(asked.time(name, size))
            own = took["epochal"][1:]
            cells = []
            for times in took.values():
                if not times:
                    cells.append("-")
                    continue
                ratio = statistics.median(t / o for t, o in zip(times[1:], own, strict=True))
                cells.append(f"{statistics.median(times[1:]):.2f} ({ratio:.2f})")
            rows = f"{ROWS:,}" if size == "million" else f"{BATCHES} x {BATCH}"
            table.add_row(rows, name, *cells)
    Console(width=100).print(table)


if __name__ == "__main__":
    main()
