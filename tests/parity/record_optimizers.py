"""Record where Keras' optimizers and schedules go from one start; run by hand where Keras is.

    KERAS_BACKEND=torch python tests/parity/record_optimizers.py

The problem is linear least squares on 16 fixed rows, four rows a batch, so that gradients are a
formula that the test can repeat: weights (3, 2) and a bias (2,).
"""

import json
from pathlib import Path

import keras
import numpy as np

rng = np.random.default_rng(3)
X = rng.normal(0, 1, (16, 3)).round(3)
Y = rng.normal(0, 2, (16, 2)).round(3)
START = rng.normal(0, 1, (3, 2)).round(3), np.array([0.5, -0.25])
STEPS = 20
KEPT = (1, 5, 12, 20)


def schedule(name, **config):
    return {"class_name": name, "config": config}


CASES = [
    ("SGD", {"learning_rate": 0.05}),
    ("SGD", {"learning_rate": 0.05, "momentum": 0.9}),
    ("SGD", {"learning_rate": 0.05, "momentum": 0.9, "nesterov": True}),
    ("SGD", {"learning_rate": 0.05, "weight_decay": 0.1}),
    ("SGD", {"learning_rate": 0.05, "clipnorm": 0.7}),
    ("SGD", {"learning_rate": 0.05, "clipvalue": 0.3}),
    ("SGD", {"learning_rate": 0.05, "global_clipnorm": 0.9}),
    ("SGD", {"learning_rate": 0.05, "global_clipnorm": 1000.0}),
    ("SGD", {"learning_rate": 0.05, "loss_scale_factor": 8.0}),
    ("SGD", {"learning_rate": 0.05, "gradient_accumulation_steps": 3}),
    ("SGD", {"learning_rate": 0.05, "gradient_accumulation_steps": 3, "clipnorm": 0.5}),
    ("SGD", {"learning_rate": 0.05, "use_ema": True, "ema_momentum": 0.8}),
    (
        "SGD",
        {
            "learning_rate": 0.05,
            "use_ema": True,
            "ema_momentum": 0.8,
            "ema_overwrite_frequency": 4,
        },
    ),
    (
        "SGD",
        {
            "learning_rate": schedule(
                "ExponentialDecay", initial_learning_rate=0.1, decay_steps=5, decay_rate=0.7
            )
        },
    ),
    (
        "SGD",
        {
            "learning_rate": schedule(
                "ExponentialDecay", initial_learning_rate=0.1, decay_steps=5, decay_rate=0.7
            ),
            "gradient_accumulation_steps": 2,
            "weight_decay": 0.05,
        },
    ),
    ("Adam", {"learning_rate": 0.05}),
    ("Adam", {"learning_rate": 0.05, "amsgrad": True, "beta_1": 0.8, "beta_2": 0.95}),
    ("Adam", {"learning_rate": 0.05, "weight_decay": 0.1}),
    ("Adam", {"learning_rate": 0.05, "global_clipnorm": 0.5, "use_ema": True}),
    ("Adam", {"learning_rate": 0.05, "gradient_accumulation_steps": 4}),
    (
        "Adam",
        {
            "learning_rate": schedule(
                "CosineDecay",
                initial_learning_rate=0.0,
                decay_steps=12,
                warmup_target=0.1,
                warmup_steps=5,
            )
        },
    ),
    ("AdamW", {"learning_rate": 0.05}),
    ("AdamW", {"learning_rate": 0.05, "weight_decay": 0.2, "clipvalue": 0.5}),
    ("RMSprop", {"learning_rate": 0.02}),
    ("RMSprop", {"learning_rate": 0.02, "momentum": 0.5, "weight_decay": 0.1}),
    ("RMSprop", {"learning_rate": 0.02, "centered": True}),
    ("Adagrad", {"learning_rate": 0.2}),
    ("Adagrad", {"learning_rate": 0.2, "initial_accumulator_value": 0.01, "weight_decay": 0.1}),
    ("Adadelta", {"learning_rate": 1.0}),
    ("Adadelta", {"learning_rate": 1.0, "rho": 0.8, "epsilon": 1e-3, "clipnorm": 1.0}),
    ("Adamax", {"learning_rate": 0.05}),
    ("Adamax", {"learning_rate": 0.05, "weight_decay": 0.1}),
    ("Nadam", {"learning_rate": 0.05}),
    ("Nadam", {"learning_rate": 0.05, "weight_decay": 0.1}),
    ("Adafactor", {"learning_rate": 0.1}),
    ("Adafactor", {"learning_rate": 0.1, "weight_decay": 0.1, "relative_step": False}),
]
SCHEDULES = [
    schedule("ExponentialDecay", initial_learning_rate=0.1, decay_steps=7, decay_rate=0.5),
    schedule(
        "ExponentialDecay",
        initial_learning_rate=0.1,
        decay_steps=7,
        decay_rate=0.5,
        staircase=True,
    ),
    schedule("InverseTimeDecay", initial_learning_rate=0.1, decay_steps=7, decay_rate=0.5),
    schedule(
        "InverseTimeDecay",
        initial_learning_rate=0.1,
        decay_steps=7,
        decay_rate=0.5,
        staircase=True,
    ),
    schedule("PiecewiseConstantDecay", boundaries=[3, 10], values=[1.0, 0.5, 0.1]),
    schedule("PolynomialDecay", initial_learning_rate=0.1, decay_steps=9),
    schedule("PolynomialDecay", initial_learning_rate=0.1, decay_steps=9, power=2.0, cycle=True),
    schedule("CosineDecay", initial_learning_rate=0.1, decay_steps=11, alpha=0.1),
    schedule(
        "CosineDecay",
        initial_learning_rate=0.01,
        decay_steps=11,
        warmup_target=0.1,
        warmup_steps=4,
    ),
    schedule("CosineDecayRestarts", initial_learning_rate=0.1, first_decay_steps=5),
    schedule(
        "CosineDecayRestarts",
        initial_learning_rate=0.1,
        first_decay_steps=5,
        t_mul=1.0,
        m_mul=0.5,
        alpha=0.2,
    ),
]


def short(values):
    return [float(f"{v:.9g}") for v in np.asarray(values, "float64").ravel()]


def run(name, config):
    config = dict(config)
    if isinstance(config["learning_rate"], dict):
        config["learning_rate"] = keras.optimizers.schedules.deserialize(config["learning_rate"])
    optimizer = getattr(keras.optimizers, name)(**config)
    variables = [keras.Variable(v.astype("float32")) for v in START]
    optimizer.build(variables)
    kept = {}
    for step in range(1, STEPS + 1):
        x, y = (a.astype("float32") for a in (X, Y))
        rows = slice(step * 4 % 16, step * 4 % 16 + 4)
        w, b = (keras.ops.convert_to_numpy(v) for v in variables)
        error = x[rows] @ w + b - y[rows]
        scale = config.get("loss_scale_factor", 1.0)
        gradients = [x[rows].T @ error * scale / 2, error.sum(0) * scale / 2]
        gradients = [keras.ops.convert_to_tensor(g.astype("float32")) for g in gradients]
        optimizer.apply(gradients, variables)
        if step in KEPT:
            kept[step] = [x for v in variables for x in short(keras.ops.convert_to_numpy(v))]
    record = {"optimizer": name, "weights": kept, "iterations": int(optimizer.iterations)}
    if config.get("use_ema"):
        optimizer.finalize_variable_values(variables)
        record["final"] = [x for v in variables for x in short(keras.ops.convert_to_numpy(v))]
    return record


records = [run(name, config) | {"config": config} for name, config in CASES]
rates = []
for config in SCHEDULES:
    made = keras.optimizers.schedules.deserialize(config)
    rates.append({"schedule": config, "rates": short([float(made(step)) for step in range(40)])})
target = Path(__file__).with_name("optimizers.json")
problem = {"x": X.tolist(), "y": Y.tolist(), "start": [v.tolist() for v in START]}
content = {"keras": keras.__version__, **problem, "records": records, "schedules": rates}
target.write_text(json.dumps(content))
print(len(records), "runs,", len(rates), "schedules,", target.stat().st_size, "bytes")
