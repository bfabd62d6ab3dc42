"""One seed gives the same numbers everywhere, and orders that epochs and runs do not share."""

import random

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from epochal.core.random import draw_seed, epoch_generator, epoch_order, set_random_seed


def drawn() -> tuple[float, float, float, int]:
    return random.random(), float(np.random.rand()), float(torch.rand(())), draw_seed()


def test_one_seed_gives_the_same_numbers_everywhere() -> None:
    set_random_seed(3)
    first = drawn()
    set_random_seed(3)
    assert drawn() == first
    set_random_seed(4)
    assert all(one != other for one, other in zip(drawn(), first, strict=True))


@pytest.mark.parametrize("seed", [-1, 2**32])
def test_a_seed_that_is_refused_changes_nothing(seed: int) -> None:
    set_random_seed(3)
    want = drawn()
    set_random_seed(3)
    with pytest.raises(ValueError, match="Seed must be"):
        set_random_seed(seed)
    assert drawn() == want


def test_every_fit_draws_another_seed() -> None:
    set_random_seed(0)
    seeds = {draw_seed() for _ in range(100)}
    assert len(seeds) == 100
    assert all(0 <= seed < 2**63 for seed in seeds)


@given(size=st.integers(0, 200), seed=st.integers(0, 2**63 - 1), epoch=st.integers(0, 10_000))
def test_an_order_is_a_permutation_that_comes_back(size: int, seed: int, epoch: int) -> None:
    order = epoch_order(size, seed, epoch)
    assert sorted(order.tolist()) == list(range(size))
    assert torch.equal(order, epoch_order(size, seed, epoch))


def test_orders_differ_by_epoch_and_by_seed_also_of_neighbours() -> None:
    orders = {
        tuple(epoch_order(50, seed, epoch).tolist()) for seed in range(20) for epoch in range(20)
    }
    assert len(orders) == 400


def test_an_order_does_not_touch_the_global_generator() -> None:
    torch.manual_seed(0)
    want = torch.rand(())
    torch.manual_seed(0)
    epoch_order(10, 1, 1)
    epoch_generator(1, 2)
    assert torch.equal(torch.rand(()), want)
