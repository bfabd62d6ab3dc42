"""Record what Keras' metrics at thresholds give, batch after batch; run by hand with Keras.

KERAS_BACKEND=torch python tests/parity/record_threshold_metrics.py
"""

import json
from pathlib import Path

import keras
import numpy as np

rng = np.random.default_rng(23)
SIZES = (7, 4, 20)


def short(value):
    return [float(f"{v:.9g}") for v in np.asarray(value, "float64").ravel()]


def batches(classes, shape, scores):
    found = []
    for size in SIZES:
        target = rng.integers(0, classes, (size, *shape))
        found.append((target, scores(target)))
    return found


def coarse(target):
    # Two decimals: ties, and scores on the thresholds 0, 0.25, 0.5 and 1.
    return np.clip(rng.normal(0.3 + 0.35 * target, 0.3), 0, 1).round(2)


def fine(target):
    return np.clip(rng.normal(0.35 + 0.3 * target, 0.3), 0, 1).round(6)


def logits(target):
    return rng.normal(2.0 * target - 1, 1.5).round(3)


DATA = {
    "flat": batches(2, (), coarse),
    "column": batches(2, (1,), fine),
    "labels": batches(2, (3,), fine),
    "logits": batches(2, (1,), logits),
    "logit labels": batches(2, (3,), logits),
    "all positive": [(np.ones_like(t), p) for t, p in batches(2, (), coarse)],
    "all negative": [(np.zeros_like(t), p) for t, p in batches(2, (), coarse)],
    "opposite": [(1 - t, p) for t, p in batches(2, (1,), fine)],
    "flat target": [(t[:, 0], p) for t, p in batches(2, (1,), coarse)],
}
THRESHOLDS = [None, 0.25, [0.5], [0.0, 0.5, 1.0], [0.8, 0.1, 0.5], [0.25, 0.75]]
COUNTS = ("FalsePositives", "FalseNegatives", "TrueNegatives", "TruePositives")
AT = {
    "SensitivityAtSpecificity": "specificity",
    "SpecificityAtSensitivity": "sensitivity",
    "PrecisionAtRecall": "recall",
    "RecallAtPrecision": "precision",
}


def cases():
    for name in (*COUNTS, "Precision", "Recall"):
        for thresholds in THRESHOLDS:
            yield name, {"thresholds": thresholds}, "flat"
        for key in ("column", "labels", "all positive", "all negative", "flat target"):
            yield name, {}, key
        yield name, {"thresholds": [0.0, 0.3]}, "logits"
    for name in ("Precision", "Recall"):
        yield name, {"class_id": 1}, "labels"
        yield name, {"top_k": 2}, "labels"
        yield name, {"top_k": 2, "class_id": 2}, "labels"
        yield name, {"top_k": 1, "thresholds": [0.3, 0.6]}, "labels"
    for name, argument in AT.items():
        for value in (0.0, 0.3, 0.7, 1.0):
            yield name, {argument: value}, "column"
        yield name, {argument: 0.5, "num_thresholds": 1}, "flat"
        yield name, {argument: 0.5, "num_thresholds": 2}, "flat"
        yield name, {argument: 0.5, "num_thresholds": 5}, "flat"
        yield name, {argument: 0.6, "class_id": 2}, "labels"
        yield name, {argument: 0.6}, "labels"
        yield name, {argument: 0.5}, "all positive"
        yield name, {argument: 0.5}, "all negative"
    for curve in ("ROC", "PR", "PRGAIN"):
        for method in ("interpolation", "minoring", "majoring"):
            config = {"curve": curve, "summation_method": method}
            for key in ("column", "flat", "opposite", "all negative", "flat target"):
                yield "AUC", config, key
            yield "AUC", {**config, "num_thresholds": 5}, "column"
            yield "AUC", {**config, "thresholds": [0.7, 0.2, 0.45]}, "column"
            yield "AUC", {**config, "multi_label": True}, "labels"
            labels = {"multi_label": True, "num_labels": 3, "label_weights": [1.0, 0.5, 2.0]}
            yield "AUC", {**config, **labels}, "labels"
    yield "AUC", {}, "all positive"
    yield "AUC", {"num_thresholds": 2}, "column"
    yield "AUC", {"thresholds": [0.5]}, "column"
    yield "AUC", {"thresholds": [0.25, 0.5, 0.75]}, "flat"
    yield "AUC", {}, "labels"
    yield "AUC", {"label_weights": [1.0, 0.5, 2.0]}, "labels"
    yield "AUC", {"from_logits": True}, "logits"
    yield "AUC", {"from_logits": False}, "logits"
    yield "AUC", {"from_logits": True, "multi_label": True}, "logit labels"


def record():
    found = []
    for name, config, key in cases():
        for weighted in (False, True):
            metric = getattr(keras.metrics, name)(**config)
            weights, results = [], []
            for target, output in DATA[key]:
                weight = rng.uniform(0, 2, len(target)).round(2) if weighted else None
                metric.update_state(target, output.astype("float32"), weight)
                results.append(short(keras.ops.convert_to_numpy(metric.result())))
                weights.append(None if weight is None else weight.tolist())
            found.append(
                {
                    "metric": name,
                    "config": config,
                    "data": key,
                    "weights": weights,
                    "results": results,
                }
            )
    return {
        "keras": keras.__version__,
        "data": {k: [[t.tolist(), p.tolist()] for t, p in v] for k, v in DATA.items()},
        "metrics": found,
    }


Path(__file__).with_name("threshold_metrics.json").write_text(json.dumps(record()) + "\n")
