"""Record what Keras' metrics give, batch after batch; run by hand where Keras is installed.

KERAS_BACKEND=torch python tests/parity/record_metrics.py
"""

import json
from pathlib import Path

import keras
import numpy as np

rng = np.random.default_rng(11)
SIZES = (5, 3, 8)


def short(value):
    return [float(f"{v:.9g}") for v in np.asarray(value, "float64").ravel()]


def batches(target, output):
    """Targets and outputs of three batches of different sizes."""
    return [(target(size), output(size)) for size in SIZES]


def scores(*shape):
    # One decimal: ties between classes and values on the threshold happen.
    return lambda size: rng.uniform(0, 1, (size, *shape)).round(1)


def integers(high, *shape):
    return lambda size: rng.integers(0, high, (size, *shape))


def one_hot(classes, *shape):
    return lambda size: np.eye(classes)[rng.integers(0, classes, (size, *shape))]


def rankings(size):
    return rng.permuted(np.tile(np.arange(12), (size, 1)), axis=1)


DATA = {
    "binary": batches(integers(2, 1), scores(1)),
    "binary_flat_target": batches(integers(2), scores(1)),
    "multilabel": batches(integers(2, 3), scores(3)),
    "masks": batches(integers(2, 4, 4, 1), scores(4, 4, 1)),
    "one_hot": batches(one_hot(4), scores(4)),
    "one_hot_sequence": batches(one_hot(4, 6), scores(6, 4)),
    "labels": batches(integers(4), scores(4)),
    "labels_column": batches(integers(4, 1), scores(4)),
    "labels_sequence": batches(integers(4, 6), scores(6, 4)),
    "many": batches(integers(12), lambda size: rng.uniform(0, 1, (size, 12)).round(4)),
    "ranked": batches(integers(12), rankings),
    "numbers": batches(scores(2), scores(2)),
    "number": batches(scores(), scores(1)),
    "equal": batches(integers(3, 2), integers(3, 2)),
}  # fmt: skip
CASES = [
    ("Accuracy", {}, "equal"),
    ("BinaryAccuracy", {}, "binary"),
    ("BinaryAccuracy", {}, "binary_flat_target"),
    ("BinaryAccuracy", {"threshold": 0.3}, "binary"),
    ("BinaryAccuracy", {"threshold": 0.0}, "binary"),
    ("BinaryAccuracy", {"threshold": 1.0}, "binary"),
    ("BinaryAccuracy", {}, "multilabel"),
    ("BinaryAccuracy", {}, "masks"),
    ("CategoricalAccuracy", {}, "one_hot"),
    ("CategoricalAccuracy", {}, "one_hot_sequence"),
    ("SparseCategoricalAccuracy", {}, "labels"),
    ("SparseCategoricalAccuracy", {}, "labels_column"),
    ("SparseCategoricalAccuracy", {}, "labels_sequence"),
    ("TopKCategoricalAccuracy", {"k": 2}, "one_hot"),
    ("TopKCategoricalAccuracy", {"k": 4}, "one_hot"),
    ("SparseTopKCategoricalAccuracy", {}, "many"),
    ("SparseTopKCategoricalAccuracy", {"k": 1}, "many"),
    ("SparseTopKCategoricalAccuracy", {"k": 3, "from_sorted_ids": True}, "ranked"),
    ("MeanSquaredError", {}, "numbers"),
    ("MeanSquaredError", {}, "number"),
    ("MeanAbsoluteError", {}, "numbers"),
]
MEANS = {
    "numbers": ([1.0, 3.0, 5.0], None),
    "number": (4.0, None),
    "weighted": ([1.0, 3.0, 5.0, 7.0], [1, 1, 0, 0.5]),
    "weight of zero": ([1.0, 3.0], [0, 0]),
    "one weight for all": ([1.0, 3.0], 2.0),
    "rows": ([[1.0, 2.0], [3.0, 5.0], [0.0, 1.0]], None),
    "rows weighted": ([[1.0, 2.0], [3.0, 5.0], [0.0, 1.0]], [1.0, 0.0, 3.0]),
    "column of weights": ([[1.0, 2.0], [3.0, 5.0]], [[1.0], [3.0]]),
    "entries weighted": ([[1.0, 2.0], [3.0, 5.0]], [[1.0, 0.0], [0.5, 2.0]]),
    "longer rows": ([[1.0, 2.0, 6.0], [3.0, 5.0, 7.0]], None),
    "images": (np.arange(12.0).reshape(3, 2, 2), [1.0, 2.0, 0.5]),
}


def weights_of(key):
    return [rng.uniform(0, 2, size).round(2) for size in SIZES] if key else [None] * len(SIZES)


def record():
    found = []
    for name, config, key in CASES:
        for weighted in (False, True):
            metric = getattr(keras.metrics, name)(**config)
            weights, results = weights_of(weighted), []
            for (target, output), weight in zip(DATA[key], weights, strict=True):
                metric.update_state(target, output.astype("float32"), weight)
                results += short(keras.ops.convert_to_numpy(metric.result()))
            found.append(
                {
                    "metric": name,
                    "config": config,
                    "data": key,
                    "weights": [None if w is None else w.tolist() for w in weights],
                    "results": results,
                }
            )
    mean, followed = keras.metrics.Mean(), []
    for name, (values, weight) in MEANS.items():
        single = keras.metrics.Mean()
        mean.update_state(values, weight)
        single.update_state(values, weight)
        alone, so_far = (short(keras.ops.convert_to_numpy(m.result()))[0] for m in (single, mean))
        listed = np.asarray(values).tolist()
        followed.append(
            {"case": name, "values": listed, "weight": weight, "alone": alone, "so_far": so_far}
        )
    data = {key: [[t.tolist(), o.tolist()] for t, o in pairs] for key, pairs in DATA.items()}
    return {"keras": keras.__version__, "data": data, "metrics": found, "mean": followed}


if __name__ == "__main__":
    path = Path(__file__).with_name("metrics.json")
    path.write_text(json.dumps(record(), separators=(",", ":")) + "\n")
    print(path, path.stat().st_size, "bytes")
