"""Scores of the whole confusion matrix that a frequent class cannot buy."""

from typing import Any, Literal, Never

import torch
from torch import Tensor
from typing_extensions import override

from epochal.core.errors import UsageError, reject_unknown, unknown_name
from epochal.metrics.confusion import ratio
from epochal.metrics.pairs import PairMetric

__all__ = ["CohenKappa", "MacroAccuracy", "MatthewsCorrelation"]

# What rounding leaves behind of a zero, in squares of sums of fractional weights.
_NOTHING = 1e-14


class MacroAccuracy(PairMetric, coalesce=True):
    """The accuracy within each true class, averaged over the classes that occur.

    Also called balanced accuracy: predicting the most frequent class always gives `1 / classes`.

    Args:
        num_classes: Number of classes; by default as many as the output has columns (2 for one).
        threshold: Above it a single output is class 1, from 0 to 1.
        name: Name it is logged under.
        dtype: Type of its weights.

    Example:
        >>> float(MacroAccuracy()([0, 0, 0, 1], [0.1, 0.2, 0.3, 0.4]))
        0.5
    """

    direction = "max"

    def __init__(
        self,
        num_classes: int | None = None,
        threshold: float = 0.5,
        name: str = "macro_accuracy",
        dtype: Any = None,
        **unknown: Never,
    ) -> None:
        reject_unknown(MacroAccuracy.__init__, unknown)
        super().__init__(num_classes, threshold, name, dtype)

    @override
    def result(self) -> Tensor:
        """Return the mean of the recalls, 0 of nothing."""
        matrix = _square(self.matrix.value)
        there = matrix.sum(1)
        return ratio(ratio(matrix.diagonal(), there).sum(), (there > 0).double().sum())


class MatthewsCorrelation(PairMetric, coalesce=True):
    """The correlation between true and predicted classes, from -1 to 1; 0 is no better than chance.

    For two classes and, generalised, for more (Gorodkin, 2004, "Comparing two K-category
    assignments by a K-category correlation coefficient"). 0 where only one class is there or
    predicted.

    Args:
        num_classes: Number of classes; by default as many as the output has columns (2 for one).
        threshold: Above it a single output is class 1, from 0 to 1.
        name: Name it is logged under.
        dtype: Type of its weights.

    Example:
        >>> round(float(MatthewsCorrelation()([1, 1, 1, 0], [0.9, 0.2, 0.8, 0.7])), 4)
        -0.3333
    """

    direction = "max"

    def __init__(
        self,
        num_classes: int | None = None,
        threshold: float = 0.5,
        name: str = "matthews_correlation",
        dtype: Any = None,
        **unknown: Never,
    ) -> None:
        reject_unknown(MatthewsCorrelation.__init__, unknown)
        super().__init__(num_classes, threshold, name, dtype)

    @override
    def result(self) -> Tensor:
        """Return the correlation, 0 where it is not defined."""
        matrix = _square(self.matrix.value)
        shares = ratio(matrix, matrix.sum())
        true, said = shares.sum(1), shares.sum(0)
        covariance = shares.diagonal().sum() - (true * said).sum()
        spread = _or_zero((true * (1 - true)).sum()) * _or_zero((said * (1 - said)).sum())
        return torch.where(spread > 0, ratio(covariance, spread.sqrt()), 0.0)


class CohenKappa(PairMetric, coalesce=True):
    """How far true and predicted classes agree beyond chance; 1 is always, 0 as chance would.

    Cohen, 1960, "A coefficient of agreement for nominal scales"; weighted, for classes that have an
    order, Cohen, 1968.

    Args:
        num_classes: Number of classes; by default as many as the output has columns (2 for one).
        weighting: None if every mistake counts the same; `"linear"` or `"quadratic"` if it counts
            by the distance between the classes.
        threshold: Above it a single output is class 1, from 0 to 1.
        name: Name it is logged under.
        dtype: Type of its weights.

    Raises:
        UsageError: If the weighting has another name.

    Example:
        >>> float(CohenKappa()([1, 1, 0, 0], [0.9, 0.2, 0.1, 0.3]))
        0.5
    """

    direction = "max"

    def __init__(
        self,
        num_classes: int | None = None,
        weighting: Literal["linear", "quadratic"] | None = None,
        threshold: float = 0.5,
        name: str = "cohen_kappa",
        dtype: Any = None,
        **unknown: Never,
    ) -> None:
        reject_unknown(CohenKappa.__init__, unknown)
        super().__init__(num_classes, threshold, name, dtype)
        if weighting not in (None, "linear", "quadratic"):
            wrong = unknown_name("weighting", str(weighting), ("linear", "quadratic"))
            raise UsageError(f"CohenKappa: {wrong}")
        self.weighting = weighting

    @override
    def result(self) -> Tensor:
        """Return kappa, 0 where both always name the same class or nothing was seen."""
        matrix = _square(self.matrix.value)
        shares = ratio(matrix, matrix.sum())
        by_chance = torch.outer(shares.sum(1), shares.sum(0))
        classes = torch.arange(len(matrix), device=matrix.device)
        apart = (classes[:, None] - classes).abs()
        cost = {None: apart != 0, "linear": apart, "quadratic": apart.square()}[self.weighting]
        expected = _or_zero((cost * by_chance).sum())
        return torch.where(expected > 0, 1 - ratio((cost * shares).sum(), expected), 0.0)


def _square(matrix: Tensor) -> Tensor:
    """Return the matrix, one of nothing while no batch has told the number of classes."""
    return matrix if matrix.ndim else matrix.expand(2, 2)


def _or_zero(value: Tensor) -> Tensor:
    return torch.where(value < _NOTHING, torch.zeros_like(value), value)
