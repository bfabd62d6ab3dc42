"""Record what Keras' means of errors, F-scores, R2 and overlaps give, batch after batch.

KERAS_BACKEND=torch python tests/parity/record_other_metrics.py
"""

import json
from pathlib import Path

import keras
import numpy as np
from record_metrics import SIZES, batches, integers, one_hot, scores, short, weights_of

rng = np.random.default_rng(12)


def numbers(*shape):
    return lambda size: rng.normal(0, 2, (size, *shape)).round(2)


def distributions(classes, *shape):
    return lambda size: rng.dirichlet(np.ones(classes), (size, *shape)).round(3)


def signs(*shape):
    return lambda size: rng.choice([-1, 1], (size, *shape))


DATA = {
    "numbers": batches(numbers(3), numbers(3)),
    "number": batches(numbers(1), numbers(1)),
    "sequence": batches(numbers(4, 3), numbers(4, 3)),
    "positive": batches(scores(2), scores(2)),
    "counts": batches(integers(5, 2), scores(2)),
    "signs": batches(signs(1), numbers(1)),
    "zero_one": batches(integers(2, 2), numbers(2)),
    "binary": batches(integers(2, 1), scores(1)),
    "multilabel": batches(integers(2, 4), scores(4)),
    "logits": batches(integers(2, 2), numbers(2)),
    "one_hot": batches(one_hot(4), scores(4)),
    "one_hot_sequence": batches(one_hot(4, 3), scores(3, 4)),
    "one_hot_logits": batches(one_hot(4), numbers(4)),
    "soft": batches(distributions(3), distributions(3)),
    "labels": batches(integers(4), distributions(4)),
    "labels_column": batches(integers(4, 1), distributions(4)),
    "labels_logits": batches(integers(4, 3), numbers(3, 4)),
    "classes": batches(integers(4), integers(4)),
    "masks": batches(integers(4, 3, 3), integers(4, 3, 3)),
    "void": batches(lambda size: rng.integers(-1, 5, size), integers(4)),
    "one_hot_masks": batches(one_hot(3, 2, 2), scores(2, 2, 3)),
}  # fmt: skip
ERRORS = [
    "RootMeanSquaredError",
    "MeanAbsolutePercentageError",
    "MeanSquaredLogarithmicError",
    "LogCoshError",
    "CosineSimilarity",
]
CASES = [
    *((name, {}, data) for name in ERRORS for data in ("numbers", "sequence")),
    ("RootMeanSquaredError", {}, "number"),
    ("MeanSquaredLogarithmicError", {}, "positive"),
    ("CosineSimilarity", {"axis": 1}, "sequence"),
    ("PearsonCorrelation", {}, "numbers"),
    ("PearsonCorrelation", {"axis": 1}, "sequence"),
    ("ConcordanceCorrelation", {}, "numbers"),
    ("ConcordanceCorrelation", {"axis": 1}, "sequence"),
    ("R2Score", {}, "number"),
    ("R2Score", {"num_regressors": 1}, "number"),
    *(
        ("R2Score", {"class_aggregation": how}, "numbers")
        for how in ("uniform_average", "variance_weighted_average", None)
    ),
    ("Hinge", {}, "signs"),
    ("Hinge", {}, "zero_one"),
    ("SquaredHinge", {}, "signs"),
    ("SquaredHinge", {}, "zero_one"),
    ("CategoricalHinge", {}, "one_hot"),
    ("CategoricalHinge", {}, "one_hot_sequence"),
    ("KLDivergence", {}, "soft"),
    ("Poisson", {}, "counts"),
    ("BinaryCrossentropy", {}, "binary"),
    ("BinaryCrossentropy", {"label_smoothing": 0.2}, "multilabel"),
    ("BinaryCrossentropy", {"from_logits": True}, "logits"),
    ("CategoricalCrossentropy", {}, "one_hot"),
    ("CategoricalCrossentropy", {}, "one_hot_sequence"),
    ("CategoricalCrossentropy", {"label_smoothing": 0.1}, "soft"),
    ("CategoricalCrossentropy", {"from_logits": True}, "one_hot_logits"),
    ("SparseCategoricalCrossentropy", {}, "labels"),
    ("SparseCategoricalCrossentropy", {}, "labels_column"),
    ("SparseCategoricalCrossentropy", {"from_logits": True}, "labels_logits"),
    *(
        ("FBetaScore", {"average": average, "beta": beta, "threshold": threshold}, data)
        for average in (None, "micro", "macro", "weighted")
        for beta, threshold, data in ((1.0, None, "one_hot"), (2.0, 0.5, "multilabel"))
    ),
    ("F1Score", {"average": "macro"}, "one_hot"),
    ("F1Score", {"threshold": 0.3}, "multilabel"),
    ("IoU", {"num_classes": 4, "target_class_ids": [0, 2]}, "classes"),
    ("IoU", {"num_classes": 4, "target_class_ids": [1], "ignore_class": -1}, "void"),
    ("MeanIoU", {"num_classes": 4}, "masks"),
    ("MeanIoU", {"num_classes": 4, "ignore_class": 0}, "void"),
    ("MeanIoU", {"num_classes": 9}, "classes"),
    ("MeanIoU", {"num_classes": 4, "sparse_y_pred": False}, "labels"),
    ("BinaryIoU", {}, "binary"),
    ("BinaryIoU", {"threshold": 0.3, "target_class_ids": [1]}, "multilabel"),
    ("OneHotIoU", {"num_classes": 3, "target_class_ids": [2]}, "one_hot_masks"),
    ("OneHotMeanIoU", {"num_classes": 3}, "one_hot_masks"),
]  # fmt: skip
SUMS = [([1.0, 3.0], None), (4.0, None), ([[1.0, 2.0], [3.0, 5.0]], [1.0, 0.5]), ([1.0], [0.0])]


def entry_weights(name, data):
    """Whole weights for each entry of what Keras can only flatten, fractions for the others."""
    if "IoU" not in name:
        return [w.tolist() for w in weights_of(True)]
    shapes = [target.shape[:-1] if "one_hot" in data else target.shape for target, _ in DATA[data]]
    return [rng.integers(0, 3, shape).tolist() for shape in shapes]


def record():
    found = []
    for name, config, data in CASES:
        for weighted in (False, True):
            metric = getattr(keras.metrics, name)(**config)
            weights = entry_weights(name, data) if weighted else [None] * len(SIZES)
            results = []
            for (target, output), weight in zip(DATA[data], weights, strict=True):
                weight = None if weight is None else np.asarray(weight, "float32")
                if weight is not None and "IoU" in name:
                    weight = weight.astype("int32")
                metric.update_state(target, output.astype("float32"), weight)
                results.append(short(keras.ops.convert_to_numpy(metric.result())))
            found.append(
                {
                    "metric": name,
                    "config": config,
                    "data": data,
                    "weights": weights,
                    "results": results,
                }
            )
    total = keras.metrics.Sum()
    sums = []
    for values, weight in SUMS:
        total.update_state(values, weight)
        sums.append({"values": values, "weight": weight, "result": float(total.result())})
    data = {key: [[t.tolist(), o.tolist()] for t, o in pairs] for key, pairs in DATA.items()}
    return {"keras": keras.__version__, "data": data, "metrics": found, "sum": sums}


if __name__ == "__main__":
    path = Path(__file__).with_name("other_metrics.json")
    path.write_text(json.dumps(record(), separators=(",", ":")) + "\n")
    print(path, path.stat().st_size, "bytes")
