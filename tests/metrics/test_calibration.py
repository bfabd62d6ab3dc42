"""The calibration error against its definition, bin by bin."""

from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from epochal.core.errors import UsageError
from epochal.metrics import ExpectedCalibrationError


def defined(right: Any, sure: Any, weights: Any, bins: int) -> float:
    """Guo et al., equations 2 and 3, with weights."""
    total = 0.0
    for b in range(bins):
        inside = (sure > b / bins) & (sure <= (b + 1) / bins)
        if b == 0:
            inside |= sure == 0
        weight = weights[inside].sum()
        if weight:
            accuracy = (right * weights)[inside].sum() / weight
            confidence = (sure * weights)[inside].sum() / weight
            total += weight * abs(accuracy - confidence)
    return total / weights.sum() if weights.sum() else 0.0


@settings(max_examples=100, deadline=None)
@given(
    st.integers(0, 2**16),
    st.sampled_from([1, 2, 4, 8, 16]),
    st.sampled_from(["flat", "column", "classes", "one-hot", "sequence"]),
    st.booleans(),
)
def test_it_is_what_its_definition_says(seed: int, bins: int, kind: str, weighted: bool) -> None:
    rng = np.random.default_rng(seed)
    size = int(rng.integers(1, 50))
    weights = rng.uniform(0, 2, size) if weighted else np.ones(size)
    if kind in ("flat", "column"):
        sure = rng.integers(0, 17, size) / 16  # on the bins' edges, 0 and 1 too
        right = y_true = rng.integers(0, 2, size)
        y_pred = sure
        if kind == "column":
            y_true, y_pred = y_true[:, None], y_pred[:, None]
    else:
        shape = (size, 3) if kind == "sequence" else (size,)
        y_pred = rng.dirichlet(np.ones(4), shape)
        y_true = rng.integers(0, 4, shape)
        sure, right = y_pred.max(-1), y_pred.argmax(-1) == y_true
        if kind == "one-hot":
            y_true = np.eye(4)[y_true]
    metric = ExpectedCalibrationError(bins)
    for part in (slice(None, size // 2), slice(size // 2, None)):
        own = torch.tensor(weights[part]) if weighted else None
        metric.update_state(y_true[part], torch.tensor(y_pred[part]), own)
    each = np.broadcast_to(weights[:, None], sure.shape) if kind == "sequence" else weights
    assert float(metric.result()) == pytest.approx(defined(right, sure, each, bins), abs=1e-12)


def test_logits_become_probabilities() -> None:
    logits = torch.tensor([[2.0, -1.0, 0.5], [0.0, 3.0, 0.1]])
    plain, logit = ExpectedCalibrationError(), ExpectedCalibrationError(from_logits=True)
    assert float(logit([0, 2], logits)) == float(plain([0, 2], logits.softmax(-1)))
    logit.reset_state(), plain.reset_state()
    assert float(logit([1, 0], logits[:, 0])) == float(plain([1, 0], logits[:, 0].sigmoid()))


def test_without_data_it_is_nothing() -> None:
    assert float(ExpectedCalibrationError().result()) == 0.0


def test_what_is_no_probability_is_refused() -> None:
    for wrong in ([0.5, 1.5], [0.5, -0.1], [0.5, float("nan")]):
        with pytest.raises(UsageError, match=r"no probabilities.*from_logits=True"):
            ExpectedCalibrationError().update_state([0, 1], wrong)


@pytest.mark.parametrize("bins", [0, 2.5, True])
def test_there_is_at_least_one_bin(bins: Any) -> None:
    with pytest.raises(UsageError, match=r"num_bins is .*; give a whole number of 1 or more"):
        ExpectedCalibrationError(bins)


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (([0, 1, 1], [0.5, 0.5]), r"y_true has shape \(3,\)"),
        (([0, 2], [0.5, 0.5]), "y_true holds 2"),
        (([0, 1, 1], [[0.5, 0.5]]), "integer labels have the shape of y_pred without"),
        (([0, 1], [0.5, 0.5], [1.0, 1.0, 1.0]), "sample_weight has shape"),
    ],
)
def test_batches_that_do_not_fit_are_refused(arguments: Any, text: str) -> None:
    with pytest.raises(UsageError, match=text):
        ExpectedCalibrationError().update_state(*arguments)
