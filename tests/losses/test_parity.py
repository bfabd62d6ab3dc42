"""Values of every loss against those that Keras 3.15.1 (torch backend) recorded."""

import json
from pathlib import Path

import pytest
import torch

from epochal import losses

RECORDED = json.loads((Path(__file__).parents[1] / "parity" / "losses.json").read_text())


def _inputs(key):
    inputs = RECORDED["inputs"][key]
    dtype = torch.int64 if inputs["integer"] else torch.float32
    return torch.tensor(inputs["y_true"], dtype=dtype), torch.tensor(inputs["y_pred"])


def _check(got, expected):
    # Both compute in float32 in different orders: a few units in the seventh digit are rounding.
    expected = torch.tensor(expected).reshape(got.shape)
    torch.testing.assert_close(got, expected, rtol=2e-6, atol=2e-6)


@pytest.mark.parametrize(
    "record",
    RECORDED["records"],
    ids=lambda r: f"{r['loss']}-{r['inputs']}-{r['reduction']}-{len(r['config'])}",
)
def test_a_loss_has_the_value_that_keras_recorded(record):
    y_true, y_pred = _inputs(record["inputs"])
    loss_class = type(losses.get(record["loss"]))
    loss = loss_class(reduction=record["reduction"], **record["config"])
    _check(loss(y_true, y_pred), record["plain"])
    if "weighted" in record:
        weights = torch.linspace(0.0, 2.0, len(y_true))
        _check(loss(y_true, y_pred, weights), record["weighted"])


def test_every_loss_but_the_base_is_recorded():
    classes = {name for name in losses.__all__ if name[0].isupper()}
    recorded = {record["loss"] for record in RECORDED["records"]}
    assert classes - recorded == {"Loss", "FunctionLoss", "TorchLoss"}
