"""Record what Keras' losses give for fixed inputs; run by hand where Keras is installed.

KERAS_BACKEND=torch python tests/parity/record_losses.py
"""

import json
from pathlib import Path

import keras
import numpy as np

rng = np.random.default_rng(7)


def short(value):
    return [float(f"{v:.9g}") for v in np.asarray(value, "float64").ravel()]


def softmax(z):
    e = np.exp(z - z.max(-1, keepdims=True))
    return e / e.sum(-1, keepdims=True)


LOGITS = rng.normal(0, 3, (6, 4)).round(4)
LABELS = np.array([0, 3, 1, 2, 2, 0])
ONE_HOT = np.eye(4)[LABELS]
SEQUENCE = rng.normal(0, 2, (3, 5, 4)).round(4)
INPUTS = {
    "numbers": (rng.normal(0, 2, (6, 3)).round(4), rng.normal(0, 2, (6, 3)).round(4)),
    "column": (rng.normal(0, 1, 6).round(4), rng.normal(0, 1, (6, 1)).round(4)),
    "time_column": (rng.normal(0, 1, (6, 3)).round(4), rng.normal(0, 1, (6, 3, 1)).round(4)),
    "positive": (rng.uniform(0, 5, (6, 3)).round(4), rng.uniform(0.1, 5, (6, 3)).round(4)),
    "binary": (rng.integers(0, 2, (6, 2)), np.clip(rng.uniform(-0.2, 1.2, (6, 2)), 0, 1).round(4)),
    "binary_logits": (rng.integers(0, 2, (6, 2)), LOGITS[:, :2]),
    "signs": (rng.choice([-1, 1], (6, 2)), LOGITS[:, :2]),
    "one_hot": (ONE_HOT, (softmax(LOGITS) * 1.3).round(4)),
    "one_hot_logits": (ONE_HOT, LOGITS),
    "labels": (LABELS, (softmax(LOGITS) * 1.3).round(4)),
    "labels_column": (LABELS[:, None], (softmax(LOGITS) * 1.3).round(4)),
    "labels_logits": (LABELS, LOGITS),
    "sequence": (rng.integers(0, 4, (3, 5)), softmax(SEQUENCE).round(4)),
    "sequence_logits": (rng.integers(0, 4, (3, 5)), SEQUENCE),
    "probabilities": (softmax(rng.normal(0, 1, (6, 4))).round(4), softmax(LOGITS).round(4)),
    "masks": (rng.integers(0, 2, (4, 3, 3, 1)), rng.uniform(0, 1, (4, 3, 3, 1)).round(4)),
}
REGRESSION = ["MeanSquaredError", "MeanAbsoluteError", "MeanAbsolutePercentageError"]
REGRESSION += ["MeanSquaredLogarithmicError", "Huber", "LogCosh"]
CASES = [(name, {}, key) for name in REGRESSION for key in ("numbers", "column", "time_column")]
CASES += [
    ("Huber", {"delta": 0.3}, "numbers"),
    ("CosineSimilarity", {}, "numbers"),
    ("CosineSimilarity", {"axis": 0}, "numbers"),
    ("Poisson", {}, "positive"),
    ("MeanSquaredLogarithmicError", {}, "positive"),
    ("KLDivergence", {}, "probabilities"),
    ("BinaryCrossentropy", {}, "binary"),
    ("BinaryCrossentropy", {"label_smoothing": 0.2}, "binary"),
    ("BinaryCrossentropy", {"from_logits": True}, "binary_logits"),
    ("BinaryCrossentropy", {"from_logits": True, "label_smoothing": 0.1}, "binary_logits"),
    ("BinaryCrossentropy", {"axis": 1}, "masks"),
    ("BinaryFocalCrossentropy", {}, "binary"),
    ("BinaryFocalCrossentropy", {"apply_class_balancing": True, "gamma": 1.5}, "binary"),
    ("BinaryFocalCrossentropy", {"from_logits": True, "label_smoothing": 0.1}, "binary_logits"),
    ("CategoricalCrossentropy", {}, "one_hot"),
    ("CategoricalCrossentropy", {"label_smoothing": 0.1}, "one_hot"),
    ("CategoricalCrossentropy", {"from_logits": True}, "one_hot_logits"),
    ("CategoricalCrossentropy", {"from_logits": True, "label_smoothing": 0.3}, "one_hot_logits"),
    ("CategoricalCrossentropy", {}, "probabilities"),
    ("CategoricalFocalCrossentropy", {}, "one_hot"),
    ("CategoricalFocalCrossentropy", {"alpha": 0.5, "gamma": 1.0}, "one_hot"),
    (
        "CategoricalFocalCrossentropy",
        {"from_logits": True, "label_smoothing": 0.1},
        "one_hot_logits",
    ),
    ("SparseCategoricalCrossentropy", {}, "labels"),
    ("SparseCategoricalCrossentropy", {}, "labels_column"),
    ("SparseCategoricalCrossentropy", {"from_logits": True}, "labels_logits"),
    ("SparseCategoricalCrossentropy", {"ignore_class": 2}, "labels"),
    ("SparseCategoricalCrossentropy", {"ignore_class": 2, "from_logits": True}, "labels_logits"),
    ("SparseCategoricalCrossentropy", {}, "sequence"),
    ("SparseCategoricalCrossentropy", {"from_logits": True}, "sequence_logits"),
    ("SparseCategoricalCrossentropy", {"ignore_class": 0}, "sequence"),
    ("CategoricalGeneralizedCrossEntropy", {}, "labels"),
    ("CategoricalGeneralizedCrossEntropy", {"q": 0.9}, "labels"),
    ("CategoricalHinge", {}, "one_hot"),
    ("Hinge", {}, "signs"),
    ("Hinge", {}, "binary_logits"),
    ("SquaredHinge", {}, "signs"),
    ("SquaredHinge", {}, "binary_logits"),
    ("Dice", {}, "masks"),
    ("Dice", {"axis": [1, 2, 3]}, "masks"),
    ("Tversky", {}, "masks"),
    ("Tversky", {"alpha": 0.2, "beta": 0.8, "axis": [1, 2, 3]}, "masks"),
]
REDUCTIONS = ["sum_over_batch_size", "sum", "mean_with_sample_weight", "none"]

records = []
for name, config, key in CASES:
    y_true, y_pred = INPUTS[key]
    y_true = y_true.astype("int64" if y_true.dtype.kind == "i" else "float32")
    y_pred = y_pred.astype("float32")
    config = {k: tuple(v) if isinstance(v, list) else v for k, v in config.items()}
    weights = np.linspace(0.0, 2.0, len(y_true), dtype="float32")
    for reduction in REDUCTIONS:
        # Keras keeps one of its losses out of its public names.
        home = keras.losses if hasattr(keras.losses, name) else keras.src.losses.losses
        loss = getattr(home, name)(reduction=reduction, **config)
        plain = keras.ops.convert_to_numpy(loss(y_true, y_pred))
        record = {"loss": name, "config": config, "inputs": key, "reduction": reduction}
        record["plain"] = short(plain)
        tensors = map(keras.ops.convert_to_tensor, (y_true, y_pred))
        values = keras.ops.convert_to_numpy(loss.call(*tensors))
        # Keras broadcasts weights of shape (N,) over the wrong axis of errors of shape (N, T).
        if values.ndim == 0 or values.shape == weights.shape:
            record["weighted"] = short(keras.ops.convert_to_numpy(loss(y_true, y_pred, weights)))
        elif values.ndim == 2 and reduction != "mean_with_sample_weight":
            full = np.repeat(weights[:, None], values.shape[1], 1)
            record["weighted"] = short(keras.ops.convert_to_numpy(loss(y_true, y_pred, full)))
        records.append(record)

inputs = {
    key: {
        "y_true": y_true.tolist(),
        "y_pred": y_pred.tolist(),
        "integer": y_true.dtype.kind == "i",
    }
    for key, (y_true, y_pred) in INPUTS.items()
}
target = Path(__file__).with_name("losses.json")
target.write_text(json.dumps({"keras": keras.__version__, "inputs": inputs, "records": records}))
print(len(records), "records,", target.stat().st_size, "bytes")
