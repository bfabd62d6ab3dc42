"""What is trained in the benchmarks: data, nets, first weights. Needs NumPy and nothing else.

The same file is imported in the environments of all libraries, so that each gets the same arrays.
"""

import gzip
import math
import os
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["LAYERS", "WORKLOADS", "Workload", "images", "make", "weights"]

Array = NDArray[Any]
Layer = tuple[Any, ...]

_BLOCKS: list[Layer] = []
for _before, _filters in ((1, 32), (32, 64)):
    _BLOCKS += [("conv", _before, _filters), ("norm", _filters)]
    _BLOCKS += [("conv", _filters, _filters), ("norm", _filters), ("pool",), ("dropout", 0.25)]

VOCABULARY = 5000

LAYERS: dict[str, list[Layer]] = {
    "moons": [("dense", 2, 100, "relu"), ("dense", 100, 1, "sigmoid")],
    "minivgg": [
        *_BLOCKS,
        ("flatten",),
        ("dense", 7 * 7 * 64, 512, "relu"),
        ("norm", 512),
        ("dropout", 0.5),
        ("dense", 512, 10, "softmax"),
    ],
    "tabular": [
        ("dense", 50, 256, "relu"),
        ("dense", 256, 256, "relu"),
        ("dense", 256, 1, "sigmoid"),
    ],
    "lstm": [("embedding", VOCABULARY, 128), ("lstm", 128, 128), ("dense", 128, 1, "sigmoid")],
    "transformer": [
        ("embedding", VOCABULARY, 128),
        *4 * [("encoder", 128, 4, 512, 0.1)],
        ("mean",),
        ("dense", 128, 1, "sigmoid"),
    ],
    "overhead": [
        ("dense", 32, 64, "relu"),
        ("dense", 64, 64, "relu"),
        ("dense", 64, 1, "sigmoid"),
    ],
}


@dataclass(frozen=True)
class Workload:
    """One training that every library does: a net by name, its data, and how it is trained."""

    net: str
    x: Array
    y: Array
    batch: int
    epochs: int = 1
    held_out: tuple[Array, Array] | None = None
    metrics: tuple[str, ...] = ()
    callbacks: bool = False
    """Whether NaN guard, early stopping, best checkpoint, plateau and CSV take part."""
    precision: str = "float32"
    dropout: bool = True
    unit: str = "step"

    @property
    def layers(self) -> list[Layer]:
        """The net, layer by layer."""
        if self.dropout:
            return LAYERS[self.net]
        layers = [layer for layer in LAYERS[self.net] if layer[0] != "dropout"]
        return [(*layer[:-1], 0.0) if layer[0] == "encoder" else layer for layer in layers]

    @property
    def binary(self) -> bool:
        """Whether the target is 0 or 1, and not one of ten classes."""
        return self.net != "minivgg"

    @property
    def steps(self) -> int:
        """Steps of an epoch."""
        return math.ceil(len(self.x) / self.batch)

    @property
    def units(self) -> int:
        """How many of `unit` one round does."""
        return self.epochs * (self.steps if self.unit == "step" else 1)


def weights(layers: list[Layer]) -> list[Array]:
    """Return first weights in Keras' order and layout: kernels of input by output, then bias."""
    rng = np.random.default_rng(7)
    made: list[Array] = []

    def kernel(*shape: int, fan_in: int | None = None) -> Array:
        fan_in = math.prod(shape[:-1]) if fan_in is None else fan_in
        return (rng.standard_normal(shape) / math.sqrt(fan_in)).astype(np.float32)

    for kind, *numbers in layers:
        if kind == "dense":
            made += [kernel(*numbers[:2]), np.zeros(numbers[1], np.float32)]
        elif kind == "conv":
            made += [kernel(3, 3, *numbers), np.zeros(numbers[1], np.float32)]
        elif kind == "norm":
            made += [np.full(numbers[0], value, np.float32) for value in (1, 0, 0, 1)]
        elif kind == "embedding":
            made.append(rng.uniform(-0.05, 0.05, numbers).astype(np.float32))
        elif kind == "lstm":
            before, units = numbers
            made += [kernel(before, 4 * units), kernel(units, 4 * units)]
            made.append(np.zeros(4 * units, np.float32))
        elif kind == "encoder":
            width, heads, hidden, _ = numbers
            each = width // heads
            for _ in ("query", "key", "value"):
                made += [kernel(width, heads, each, fan_in=width)]
                made += [np.zeros((heads, each), np.float32)]
            made += [kernel(heads, each, width), np.zeros(width, np.float32)]
            norm = [np.full(width, value, np.float32) for value in (1, 0)]
            made += [*norm, kernel(width, hidden), np.zeros(hidden, np.float32)]
            made += [kernel(hidden, width), np.zeros(width, np.float32), *norm]
    return made


def images(count: int) -> tuple[Array, Array]:
    """Return `count` pictures (28, 28, 1) from 0 to 1 with their classes.

    Fashion-MNIST from the folder `fashion_mnist` of EPOCHAL_DATA; random ones without it, which
    take the same time.
    """
    folder = Path(os.environ.get("EPOCHAL_DATA", "")) / "fashion_mnist"
    found = [sorted(folder.glob(f"train-{kind}*.gz")) for kind in ("images", "labels")]
    if os.environ.get("EPOCHAL_DATA") and all(found):
        raw = [gzip.decompress(files[0].read_bytes()) for files in found]
        pictures = np.frombuffer(raw[0], np.uint8, offset=16).reshape(-1, 28, 28, 1)
        labels = np.frombuffer(raw[1], np.uint8, offset=8)
        taken = np.arange(count) % len(labels)
        return (pictures[taken] / 255).astype(np.float32), labels[taken].astype(np.int64)
    rng = np.random.default_rng(0)
    return rng.random((count, 28, 28, 1), np.float32), rng.integers(0, 10, count)


def _moons() -> tuple[Array, Array]:
    """Return two half circles of 50 points each, in mixed order."""
    rng = np.random.default_rng(1)
    angle = np.linspace(0, np.pi, 50)
    upper = np.stack([np.cos(angle), np.sin(angle)], 1)
    points = np.concatenate([upper, [1, 0.5] - upper]) + rng.normal(0, 0.2, (100, 2))
    order = rng.permutation(100)
    classes = np.repeat([0.0, 1.0], 50).reshape(-1, 1)
    return points[order].astype(np.float32), classes[order].astype(np.float32)


def _moons_workload(callbacks: bool, epochs: int) -> Workload:
    x, y = _moons()
    return Workload(
        "moons",
        x[:80],
        y[:80],
        batch=32,
        epochs=epochs,
        held_out=(x[80:], y[80:]),
        metrics=("accuracy",) if callbacks else (),
        callbacks=callbacks,
        unit="epoch",
    )


def _minivgg_workload(batch: int, precision: str, rows: int) -> Workload:
    x, y = images(rows + rows // 4)
    held_out = (x[rows:], y[rows:])
    return Workload(
        "minivgg",
        x[:rows],
        y[:rows],
        batch=batch,
        held_out=held_out,
        metrics=("accuracy",),
        precision=precision,
    )


def _linear(net: str, rows: int, columns: int, batch: int, metrics: tuple[str, ...]) -> Workload:
    rng = np.random.default_rng(3)
    x = rng.standard_normal((rows, columns), np.float32)
    y = (x[:, :10].sum(1, keepdims=True) > 0).astype(np.float32)
    return Workload(net, x, y, batch=batch, metrics=metrics)


def _sequences(net: str, rows: int, batch: int) -> Workload:
    rng = np.random.default_rng(5)
    x = rng.integers(0, VOCABULARY, (rows, 100))
    y = (x[:, -10:].mean(1, keepdims=True) > VOCABULARY / 2).astype(np.float32)
    return Workload(net, x, y, batch=batch)


# Names with what they are made by; the argument is the number of rows, or of epochs for moons.
WORKLOADS: dict[str, tuple[Any, int]] = {
    "moons": (lambda size: _moons_workload(False, size), 50),
    "moons, five callbacks": (lambda size: _moons_workload(True, size), 50),
    "minivgg, batch 32": (lambda size: _minivgg_workload(32, "float32", size), 320),
    "minivgg, batch 128": (lambda size: _minivgg_workload(128, "float32", size), 512),
    "minivgg, batch 32, bfloat16": (lambda size: _minivgg_workload(32, "bfloat16", size), 320),
    "tabular": (
        lambda size: _linear("tabular", size, 50, 1024, ("accuracy", "mae", "mse")),
        100_000,
    ),
    "lstm": (lambda size: _sequences("lstm", size, 64), 256),
    "transformer": (lambda size: _sequences("transformer", size, 32), 128),
    "overhead": (lambda size: _linear("overhead", size, 32, 32, ()), 8000),
    "overhead, accuracy": (
        lambda size: _linear("overhead", size, 32, 32, ("accuracy",)),
        8000,
    ),
}


def make(name: str, size: int | None = None, **changes: Any) -> Workload:
    """Return a workload by name, of another size where one is given."""
    maker, usual = WORKLOADS[name]
    made: Workload = maker(usual if size is None else size)
    return replace(made, **changes)
