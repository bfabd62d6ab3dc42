"""Where every optimizer and schedule goes, against Keras 3.15.1 (torch backend) recorded."""

import json
from pathlib import Path

import pytest
import torch
from torch import nn

from epochal import optimizers

RECORDED = json.loads((Path(__file__).parents[1] / "parity" / "optimizers.json").read_text())
X = torch.tensor(RECORDED["x"])
Y = torch.tensor(RECORDED["y"])

# Weights move by about 1 in these runs. Where torch computes what Keras computes, in another
# order, float32's rounding is left. RMSprop, Adagrad and Adam put epsilon (1e-7) in another place,
# which gradients of about 1 do not show. Keras takes 1 - beta_2**t in float32, which for 0.999
# leaves it 4 digits and moves Adam's steps by a few 1e-5 of themselves.
ROUNDING = 5e-6
TOLERANCE = {"Adam": 4e-5, "AdamW": 4e-5}


def _run(optimizer, scale=1.0):
    w, b = (nn.Parameter(torch.tensor(v)) for v in RECORDED["start"])
    optimizer.build([("w", w), ("b", b)])
    path = {}
    for step in range(1, 21):
        rows = slice(step * 4 % 16, step * 4 % 16 + 4)
        error = (X[rows] @ w + b - Y[rows]).detach()
        w.grad, b.grad = X[rows].T @ error * scale / 2, error.sum(0) * scale / 2
        optimizer.step()
        path[str(step)] = torch.cat([w.detach().flatten(), b.detach()])
    return path, (w, b)


def _name(record):
    options = [key for key in record["config"] if key != "learning_rate"]
    return "-".join([record["optimizer"], *options])


@pytest.mark.parametrize("record", RECORDED["records"], ids=_name)
def test_an_optimizer_takes_the_path_that_keras_recorded(record):
    optimizer = optimizers.deserialize(
        {"class_name": record["optimizer"], "config": record["config"]}
    )
    path, (w, b) = _run(optimizer, record["config"].get("loss_scale_factor", 1.0))
    tolerance = TOLERANCE.get(record["optimizer"], ROUNDING)
    for step, expected in record["weights"].items():
        torch.testing.assert_close(path[step], torch.tensor(expected), rtol=0, atol=tolerance)
    assert optimizer.iterations == record["iterations"]
    if "final" in record:
        optimizer.finalize_weights()
        final = torch.cat([w.detach().flatten(), b.detach()])
        torch.testing.assert_close(final, torch.tensor(record["final"]), rtol=0, atol=tolerance)


@pytest.mark.parametrize(
    "record", RECORDED["schedules"], ids=lambda record: record["schedule"]["class_name"]
)
def test_a_schedule_gives_the_rates_that_keras_recorded(record):
    schedule = optimizers.schedules.deserialize(record["schedule"])
    # Keras computes rates in float32, we in Python's float64.
    assert [schedule(step) for step in range(40)] == pytest.approx(
        record["rates"], rel=2e-6, abs=1e-8
    )
