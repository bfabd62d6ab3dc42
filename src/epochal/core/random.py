"""One seed for everything: initial weights, dropout, and the order of every epoch."""

import random

import numpy as np
import torch

__all__ = ["chosen_seed", "draw_seed", "epoch_generator", "epoch_order", "set_random_seed"]

_chosen: int | None = None


def set_random_seed(seed: int) -> None:
    """Seed Python's, NumPy's and torch's generators, and through torch's every `fit` that follows.

    Use it once at the top of a script to get the same weights, order and dropout on every run.

    Args:
        seed: Any integer from 0 to 2**32 - 1.

    Raises:
        ValueError: If NumPy cannot take the seed.

    Example:
        >>> set_random_seed(7); first = torch.rand(2)
        >>> set_random_seed(7); bool((torch.rand(2) == first).all())
        True
    """
    global _chosen
    np.random.seed(seed)  # the pickiest first: a seed that is refused has changed nothing
    random.seed(seed)
    torch.manual_seed(seed)
    _chosen = seed


def chosen_seed() -> int | None:
    """Return what `set_random_seed` was given last in this process; None if it was not called.

    A run that is brought back compares it: with another seed it is meant to be another run.
    """
    return _chosen


def draw_seed() -> int:
    """Return the seed of one `fit`, drawn from torch's generator: `torch.manual_seed` fixes it."""
    return int(torch.randint(2**63 - 1, ()).item())


def epoch_order(size: int, seed: int, epoch: int) -> torch.Tensor:
    """Return the order of one epoch, a permutation of `size` rows.

    It is a function of `(seed, epoch)` alone: a position in a run is then two integers, and a run
    that was cut finds its place again without replaying what came before.

    Example:
        >>> bool((epoch_order(9, seed=1, epoch=4) == epoch_order(9, seed=1, epoch=4)).all())
        True
        >>> sorted(epoch_order(4, seed=1, epoch=0).tolist())
        [0, 1, 2, 3]
    """
    return torch.randperm(size, generator=epoch_generator(seed, epoch))


def epoch_generator(seed: int, epoch: int) -> torch.Generator:
    """Return the generator of one epoch's randomness, a function of `(seed, epoch)`."""
    # SplitMix64's odd constant keeps (seed, epoch) pairs apart: seed + epoch alone would make
    # epoch 1 of one run equal to epoch 0 of its neighbour.
    return torch.Generator().manual_seed((seed + epoch * 0x9E3779B97F4A7C15) % 2**63)
