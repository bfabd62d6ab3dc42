"""A running mean equals the plain weighted mean, whenever and in whatever order it is read."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from epochal.logs.running_mean import RunningMean

BATCHES = st.lists(
    st.tuples(st.floats(-1e3, 1e3, width=32), st.integers(1, 64)), min_size=1, max_size=60
)


def plain(batches: list[tuple[float, int]]) -> float:
    total = math.fsum(value * size for value, size in batches)
    return total / sum(size for _, size in batches)


@settings(deadline=None, max_examples=60)
@given(batches=BATCHES, repeat=st.sampled_from([1, 20]), data=st.data())
def test_every_moment_keeps_its_own_mean(
    batches: list[tuple[float, int]], repeat: int, data: st.DataObject
) -> None:
    batches = batches * repeat  # 20 times is more than are kept before they are folded
    kept = data.draw(st.sets(st.integers(1, len(batches)), max_size=5))
    at_once = data.draw(st.sets(st.sampled_from(sorted(kept)))) if kept else set()
    mean, moments = RunningMean(), {}
    for index, (value, size) in enumerate(batches, 1):
        mean.add(torch.tensor(value), size)
        if index in kept:
            moments[index] = mean.moment()
        if index in at_once:
            assert float(mean.at(moments[index])) == pytest.approx(plain(batches[:index]), abs=1e-9)
    moments[len(batches)] = mean.moment()
    for index in data.draw(st.permutations(sorted(moments))):
        assert float(mean.at(moments[index])) == pytest.approx(plain(batches[:index]), abs=1e-9)


def test_before_the_first_batch_it_is_nan() -> None:
    mean = RunningMean()
    first = mean.moment()
    mean.add(torch.tensor(1.0), 2)
    assert math.isnan(mean.at(first))
    assert float(mean.at(mean.moment())) == 1.0


def test_nan_and_infinity_are_not_hidden() -> None:
    mean = RunningMean()
    mean.add(torch.tensor(float("nan")), 2)
    mean.add(torch.tensor(1.0), 2)
    assert math.isnan(float(mean.at(mean.moment())))
    mean = RunningMean()
    mean.add(torch.tensor(float("inf")), 3)
    mean.add(torch.tensor(1.0), 2)
    assert float(mean.at(mean.moment())) == math.inf


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32, torch.float64])
def test_sums_are_made_in_float64_whatever_the_losses_are(dtype: torch.dtype) -> None:
    values = np.random.default_rng(0).lognormal(size=20_000).astype(np.float32)
    losses = torch.from_numpy(values).to(dtype)
    mean = RunningMean()
    for loss in losses:
        mean.add(loss, 32)
    expected = math.fsum(losses.double().tolist()) / len(losses)
    assert float(mean.at(mean.moment())) == pytest.approx(expected, rel=1e-12)


def test_a_long_pass_keeps_few_batches_by_reference() -> None:
    mean = RunningMean()
    for _ in range(5000):
        mean.add(torch.tensor(2.0), 1)
    assert len(mean.moment().values) < 600
    assert float(mean.at(mean.moment())) == 2.0
