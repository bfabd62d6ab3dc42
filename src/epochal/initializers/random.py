"""Initializers that draw from one distribution."""

from typing import Never

import torch
from torch import Tensor, nn

from epochal.core.errors import UsageError, reject_unknown
from epochal.initializers.base import Initializer

__all__ = [
    "Orthogonal",
    "RandomInitializer",
    "RandomNormal",
    "RandomUniform",
    "TruncatedNormal",
    "fill_truncated",
]


class RandomInitializer(Initializer):
    """An initializer that draws: from its own seed if it has one, else from torch's generator."""

    seed: int | None

    def generator(self) -> torch.Generator | None:
        """Return the source of one call; with a seed, every call draws the same values."""
        return None if self.seed is None else torch.Generator().manual_seed(self.seed)


class RandomNormal(RandomInitializer):
    """Normal values.

    Args:
        mean: Of the distribution.
        stddev: Its standard deviation.
        seed: An integer to draw the same values at every call; `None` for torch's generator.
    """

    def __init__(
        self, mean: float = 0.0, stddev: float = 0.05, seed: int | None = None, **unknown: Never
    ) -> None:
        reject_unknown(RandomNormal.__init__, unknown)
        self.mean, self.stddev, self.seed = mean, stddev, seed

    def fill(self, values: Tensor) -> None:
        """Draw the values."""
        values.normal_(self.mean, self.stddev, generator=self.generator())


class RandomUniform(RandomInitializer):
    """Uniform values, the default of embeddings.

    Args:
        minval: Lower end.
        maxval: Upper end.
        seed: An integer to draw the same values at every call; `None` for torch's generator.
    """

    def __init__(
        self,
        minval: float = -0.05,
        maxval: float = 0.05,
        seed: int | None = None,
        **unknown: Never,
    ) -> None:
        reject_unknown(RandomUniform.__init__, unknown)
        self.minval, self.maxval, self.seed = minval, maxval, seed

    def fill(self, values: Tensor) -> None:
        """Draw the values."""
        values.uniform_(self.minval, self.maxval, generator=self.generator())


class TruncatedNormal(RandomInitializer):
    """Normal values, those beyond two standard deviations drawn again.

    Args:
        mean: Of the normal distribution before it is cut.
        stddev: Its standard deviation before it is cut.
        seed: An integer to draw the same values at every call; `None` for torch's generator.
    """

    def __init__(
        self, mean: float = 0.0, stddev: float = 0.05, seed: int | None = None, **unknown: Never
    ) -> None:
        reject_unknown(TruncatedNormal.__init__, unknown)
        self.mean, self.stddev, self.seed = mean, stddev, seed

    def fill(self, values: Tensor) -> None:
        """Draw the values."""
        fill_truncated(values, self.mean, self.stddev, self.generator())


def fill_truncated(
    values: Tensor, mean: float, stddev: float, generator: torch.Generator | None
) -> None:
    """Draw normal values, those beyond two standard deviations again."""
    low, high = mean - 2 * stddev, mean + 2 * stddev
    nn.init.trunc_normal_(values, mean, stddev, low, high, generator=generator)


class Orthogonal(RandomInitializer):
    """A random orthogonal matrix, the default of recurrent kernels (Saxe et al., 2014).

    A weight of more than two axes is seen as the matrix `(everything before, last axis)`.

    Args:
        gain: Multiplies the matrix.
        seed: An integer to draw the same values at every call; `None` for torch's generator.

    Example:
        >>> q = Orthogonal(seed=1)((3, 3))
        >>> bool(torch.allclose(q @ q.T, torch.eye(3), atol=1e-6))
        True
    """

    def __init__(self, gain: float = 1.0, seed: int | None = None, **unknown: Never) -> None:
        reject_unknown(Orthogonal.__init__, unknown)
        self.gain, self.seed = gain, seed

    def fill(self, values: Tensor) -> None:
        """Draw the matrix."""
        if values.dim() < 2:
            raise UsageError(
                f"Orthogonal: got shape {tuple(values.shape)}; expected two axes or more"
            )
        matrix = values.view(-1, values.shape[-1])
        nn.init.orthogonal_(matrix, self.gain, generator=self.generator())
