"""Losses between distributions, counts, directions and regions."""

from collections.abc import Iterator, Sequence
from typing import Never

import torch
from torch import Tensor

from epochal.functional import distributions
from epochal.losses import checks
from epochal.losses.base import PlainLoss

__all__ = ["CosineSimilarity", "Dice", "KLDivergence", "Poisson", "Tversky"]


class _Entrywise(PlainLoss):
    """What all of them check: targets and predictions of one shape."""

    def check(self, y_true: Tensor, y_pred: Tensor) -> Iterator[str]:
        """Yield a sentence if targets and predictions differ in shape."""
        yield from checks.same_shape(y_true, y_pred)


class KLDivergence(_Entrywise):
    """The Kullback-Leibler divergence of predicted from true probabilities, in nats.

    Args:
        reduction: How errors per sample become one number; see `Loss`.
        name: What the loss is called.
        dtype: The type to compute in.

    Example:
        >>> KLDivergence()([[0.5, 0.5]], [[0.25, 0.75]])
        tensor(0.1438)
    """

    def call(self, y_true: Tensor, y_pred: Tensor) -> Tensor:
        """Return the error of every sample."""
        return distributions.kl_divergence(y_true, y_pred)


class Poisson(_Entrywise):
    """The mean of `y_pred - y_true * log(y_pred)`: for predicting counts.

    Args:
        reduction: How errors per sample become one number; see `Loss`.
        name: What the loss is called.
        dtype: The type to compute in.

    Example:
        >>> Poisson()([[2.0]], [[1.0]])
        tensor(1.0000)
    """

    def call(self, y_true: Tensor, y_pred: Tensor) -> Tensor:
        """Return the error of every sample."""
        return distributions.poisson(y_true, y_pred)


class CosineSimilarity(_Entrywise):
    """Minus the cosine between targets and predictions: for directions, not lengths.

    Args:
        axis: Where the vectors' entries stand.
        reduction: How errors per sample become one number; see `Loss`.
        name: What the loss is called.
        dtype: The type to compute in.

    Example:
        >>> CosineSimilarity()([[0.0, 2.0], [1.0, 0.0]], [[0.0, 5.0], [0.0, 1.0]])
        tensor(-0.5000)
    """

    def __init__(
        self,
        axis: int = -1,
        reduction: str | None = "sum_over_batch_size",
        name: str | None = "cosine_similarity",
        dtype: str | torch.dtype | None = None,
        **unknown: Never,
    ) -> None:
        super().__init__(reduction, name, dtype, **unknown)
        self.axis = axis

    def call(self, y_true: Tensor, y_pred: Tensor) -> Tensor:
        """Return the error of every sample."""
        return distributions.cosine_similarity(y_true, y_pred, self.axis)


class Dice(_Entrywise):
    """One minus the Dice overlap of two regions: for segmenting something small.

    Args:
        reduction: How errors per sample become one number; see `Loss`.
        name: What the loss is called.
        axis: The axes one overlap is taken over, as `(1, 2, 3)` for one an image; None takes one
            overlap of the whole batch.
        dtype: The type to compute in.

    Example:
        >>> Dice()([[1.0, 0.0]], [[1.0, 1.0]])
        tensor(0.3333)
    """

    def __init__(
        self,
        reduction: str | None = "sum_over_batch_size",
        name: str | None = "dice",
        axis: int | Sequence[int] | None = None,
        dtype: str | torch.dtype | None = None,
        **unknown: Never,
    ) -> None:
        super().__init__(reduction, name, dtype, **unknown)
        self.axis = axis

    def call(self, y_true: Tensor, y_pred: Tensor) -> Tensor:
        """Return the error of every region."""
        return distributions.dice(y_true, y_pred, self.axis)


class Tversky(_Entrywise):
    """One minus the Tversky overlap: Dice with the two kinds of mistake weighted apart.

    Salehi et al., 2017, https://arxiv.org/abs/1706.05721.

    Args:
        alpha: Weight of target left out by the prediction.
        beta: Weight of prediction outside of the target.
        reduction: How errors per sample become one number; see `Loss`.
        name: What the loss is called.
        axis: The axes one overlap is taken over; None takes one overlap of the whole batch.
        dtype: The type to compute in.

    Example:
        >>> Tversky(beta=1.0)([[1.0, 0.0]], [[1.0, 1.0]])
        tensor(0.5000)
    """

    def __init__(
        self,
        alpha: float = 0.5,
        beta: float = 0.5,
        reduction: str | None = "sum_over_batch_size",
        name: str | None = "tversky",
        axis: int | Sequence[int] | None = None,
        dtype: str | torch.dtype | None = None,
        **unknown: Never,
    ) -> None:
        super().__init__(reduction, name, dtype, **unknown)
        self.alpha = alpha
        self.beta = beta
        self.axis = axis

    def call(self, y_true: Tensor, y_pred: Tensor) -> Tensor:
        """Return the error of every region."""
        return distributions.tversky(y_true, y_pred, self.alpha, self.beta, self.axis)
