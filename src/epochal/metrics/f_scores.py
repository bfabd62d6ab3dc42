"""F-scores: precision and recall in one number, for classes and for independent labels."""

import math
from typing import Any, Literal, Never

import torch
from torch import Tensor
from typing_extensions import override

from epochal.core.errors import UsageError, reject_unknown, unknown_name
from epochal.metrics.base import Metric, as_tensor, blocks
from epochal.metrics.columns import sample_weight_of, weighted_sum
from epochal.metrics.confusion import ratio
from epochal.metrics.thresholds import fraction

__all__ = ["F1Score", "FBetaScore"]

Average = Literal["micro", "macro", "weighted", "samples"] | None
_AVERAGES = ("micro", "macro", "weighted", "samples")


class FBetaScore(Metric, coalesce=True):
    """The F-score of each class: `(1 + b**2) TP / ((1 + b**2) TP + b**2 FN + FP)`.

    A class that is neither there nor predicted scores 0.

    Args:
        average: None for one value a class; `"micro"` counts all entries together, `"macro"` is
            the mean over classes, `"weighted"` the mean by how often each is there, `"samples"`
            the mean of each sample's score (of several labels).
        beta: How much more recall counts than precision, above 0.
        threshold: An output is a yes strictly above it, from 0 to 1. None: the largest output of
            each row is (all of them where several are equal), unless it is 0.
        name: Name it is logged under.
        dtype: Type of its weights.

    Raises:
        UsageError: If an argument cannot be one.

    Example:
        >>> targets = [[1, 1, 1], [1, 0, 0], [1, 1, 0]]
        >>> outputs = [[0.2, 0.6, 0.7], [0.2, 0.6, 0.6], [0.6, 0.8, 0.0]]
        >>> metric = FBetaScore(beta=2, threshold=0.5)
        >>> [round(score, 4) for score in metric(targets, outputs).tolist()]
        [0.3846, 0.9091, 0.8333]
    """

    direction = "max"

    def __init__(
        self,
        average: Average = None,
        beta: float = 1.0,
        threshold: float | None = None,
        name: str = "fbeta_score",
        dtype: Any = None,
        **unknown: Never,
    ) -> None:
        reject_unknown(FBetaScore.__init__, unknown)
        super().__init__(dtype=dtype, name=name)
        kind = type(self).__name__
        if average not in (None, *_AVERAGES):
            raise UsageError(f"{kind}: {unknown_name('average', str(average), _AVERAGES)}")
        if isinstance(beta, bool) or not isinstance(beta, (int, float)) or not 0 < beta < math.inf:
            raise UsageError(f"{kind}: beta is {beta!r}; give a number above 0")
        self.average = average
        self.beta = float(beta)
        self.threshold = None if threshold is None else fraction(kind, "threshold", threshold)
        self.true_positives = self.add_weight((None,), name="true_positives")
        self.false_positives = self.add_weight((None,), name="false_positives")
        self.false_negatives = self.add_weight((None,), name="false_negatives")
        if average == "samples":
            self.total = self.add_weight(name="total")
            self.count = self.add_weight(name="count")

    @override
    def update_state(self, y_true: Any, y_pred: Any, sample_weight: Any = None) -> None:
        """Take one batch in.

        Args:
            y_true: One-hot classes, or a 0 or 1 for each label, (N, C).
            y_pred: Outputs, (N, C).
            sample_weight: How much each sample counts, (N,), or each entry, (N, C); or None.

        Raises:
            UsageError: If the shapes are others.
        """
        y_pred = as_tensor(y_pred)
        y_true = as_tensor(y_true, like=y_pred)
        if y_pred.ndim != 2 or y_true.shape != y_pred.shape:
            raise UsageError(
                f"{self.name} needs y_true and y_pred of one shape (N, C), one column a class; got "
                f"{tuple(y_true.shape)} and {tuple(y_pred.shape)}: class numbers become columns "
                "with epochal.utils.to_categorical, and (N,) becomes (N, 1) with x[:, None]"
            )
        for rows in blocks(y_true, y_pred, sample_weight_of(sample_weight, y_pred)):
            self._add(*rows)

    @override
    def result(self) -> Tensor:
        """Return the score of each class, (C,), or their average."""
        if self.average == "samples":
            return ratio(self.total.value, self.count.value)
        weights = (self.true_positives, self.false_positives, self.false_negatives)
        hits, wrong, missed = (weight.value for weight in weights)
        if self.average == "micro":
            return self._scores(hits.sum(), wrong.sum(), missed.sum())
        scores = self._scores(hits, wrong, missed)
        if self.average == "macro":
            return scores.mean()
        if self.average == "weighted":
            return ratio((scores * (hits + missed)).sum(), (hits + missed).sum())
        return scores

    def _add(self, true: Tensor, y_pred: Tensor, weight: Tensor) -> None:
        true, said = true.double(), self._said(y_pred).double()
        hits = true * said
        if self.average == "samples":
            whole = weight if weight.ndim == 1 else weight.mean(-1)
            parts = hits, said - hits, true - hits
            self.total.assign_add((self._scores(*(part.sum(-1) for part in parts)) * whole).sum())
            self.count.assign_add(whole.sum())
        # Three sums instead of two more arrays. Where nothing is wrong the arrays are equal, so are
        # their sums, and the difference is exactly 0.
        right = weighted_sum(hits, weight)
        self.true_positives.assign_add(right)
        self.false_positives.assign_add(weighted_sum(said, weight) - right)
        self.false_negatives.assign_add(weighted_sum(true, weight) - right)

    def _said(self, y_pred: Tensor) -> Tensor:
        if self.threshold is not None:
            return y_pred > self.threshold
        # As in Keras, a row of zeros says nothing: nothing is as large as NaN.
        largest = y_pred.amax(-1, keepdim=True)
        return y_pred >= torch.where(largest.abs() > 1e-9, largest, torch.nan)

    def _scores(self, hits: Tensor, wrong: Tensor, missed: Tensor) -> Tensor:
        square = self.beta**2
        return ratio((1 + square) * hits, (1 + square) * hits + square * missed + wrong)


class F1Score(FBetaScore, coalesce=True):
    """The F-score with `beta=1`: the harmonic mean of precision and recall.

    Args:
        average: As in `FBetaScore`.
        threshold: As in `FBetaScore`.
        name: Name it is logged under.
        dtype: Type of its weights.

    Example:
        >>> float(F1Score(average="macro")([[1, 0], [0, 1]], [[0.9, 0.1], [0.2, 0.8]]))
        1.0
    """

    def __init__(
        self,
        average: Average = None,
        threshold: float | None = None,
        name: str = "f1_score",
        dtype: Any = None,
        **unknown: Never,
    ) -> None:
        reject_unknown(F1Score.__init__, unknown)
        super().__init__(average=average, threshold=threshold, name=name, dtype=dtype)
