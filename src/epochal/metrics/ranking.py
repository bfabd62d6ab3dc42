"""Areas under curves through every score, by sorting: exact, without thresholds."""

from abc import abstractmethod
from typing import Any, Literal, Never

import torch
from torch import Tensor
from typing_extensions import override

from epochal.core.errors import UsageError, reject_unknown, unknown_name
from epochal.metrics.base import Metric
from epochal.metrics.confusion import ratio, weighed

__all__ = ["AveragePrecision", "ExactAUC"]

Average = Literal["micro", "macro", "weighted", "samples"]

_AVERAGES = ("micro", "macro", "weighted", "samples")


class RankingMetric(Metric):
    """Base of metrics of how the scores of an epoch are ordered: it keeps all of them."""

    direction = "max"

    def __init__(self, average: Average, name: str | None, dtype: Any) -> None:
        if average not in _AVERAGES:
            text = unknown_name("average", average, _AVERAGES)
            raise UsageError(f"{type(self).__name__}: {text}")
        super().__init__(dtype=dtype, name=name)
        self.average = average
        self._true, self._scores, self._counted = (
            self.add_weight((0,), name=part, reduction="concat")
            for part in ("y_true", "y_pred", "sample_weight")
        )

    @override
    def update_state(self, y_true: Any, y_pred: Any, sample_weight: Any = None) -> None:
        """Take one batch in.

        Args:
            y_true: Targets, 0 or 1, (N,) or (N, ..., L).
            y_pred: Scores of the same shape; only their order counts.
            sample_weight: How much each sample counts, (N,), or each entry; or None.

        Raises:
            UsageError: If shapes do not fit, or, where no device has to be waited for, a target
                is neither 0 nor 1.
        """
        labels, scores, weight = weighed(y_true, y_pred, sample_weight)
        rows = (-1, scores.shape[-1] if scores.ndim > 1 else 1)
        if weight is None:
            weight = torch.ones((), dtype=torch.float64, device=scores.device).expand(scores.shape)
        for kept, part in ((self._true, labels), (self._scores, scores), (self._counted, weight)):
            kept.append(part.reshape(rows))

    @override
    def result(self) -> Tensor:
        """Return the area over everything taken in."""
        labels, scores, weights = self._true.value, self._scores.value, self._counted.value
        if labels.ndim < 2:  # nothing has been taken in
            labels, scores, weights = (part.unsqueeze(-1) for part in (labels, scores, weights))
        one = labels.shape[1] == 1
        if one or self.average == "micro":
            return self._areas(*(part.reshape(1, -1) for part in (labels, scores, weights)))[0]
        if self.average == "samples":
            areas, counts = self._areas(labels, scores, torch.ones_like(weights)), weights[:, 0]
        else:
            areas, counts = self._areas(labels.T, scores.T, weights.T), (labels * weights).sum(0)
        if self.average == "macro":
            return areas.mean()
        # An area that counts for nothing may be undefined.
        return ratio(torch.where(counts == 0, 0.0, areas * counts).sum(), counts.sum())

    def _areas(self, labels: Tensor, scores: Tensor, weights: Tensor) -> Tensor:
        """Return the area of each row of (R, N); NaN where a score is."""
        scores, order = scores.contiguous().sort(dim=-1)  # searches want rows in one piece
        weights = weights.gather(-1, order)
        positive = weights * labels.gather(-1, order)
        areas = self._area(scores, positive, weights - positive)
        return torch.where(scores.isnan().any(-1), torch.nan, areas)

    @abstractmethod
    def _area(self, scores: Tensor, positive: Tensor, negative: Tensor) -> Tensor:
        """Return the area of each row, from scores in ascending order and weights by class."""


class ExactAUC(RankingMetric, coalesce=True):
    """Area under the ROC curve: how often a positive scores higher than a negative; ties half.

    Use it where the scores of an epoch fit into memory (24 bytes each); `AUC` needs less and is
    approximate. With one class only it is undefined, NaN.

    Args:
        average: Of outputs of several labels, (N, L): `"macro"` the mean over labels, `"weighted"`
            the same weighted by how often each is there, `"samples"` the mean over rows, `"micro"`
            of all entries together.
        name: Name it is logged under.
        dtype: Type in which scores are kept; float64 by default.

    Raises:
        UsageError: If there is no such average.

    Example:
        >>> float(ExactAUC()([0, 0, 1, 1], [0.1, 0.5002, 0.5001, 0.9]))
        0.75
    """

    def __init__(
        self,
        average: Average = "macro",
        name: str | None = None,
        dtype: Any = None,
        **unknown: Never,
    ) -> None:
        reject_unknown(ExactAUC.__init__, unknown)
        super().__init__(average, name, dtype)

    @override
    def _area(self, scores: Tensor, positive: Tensor, negative: Tensor) -> Tensor:
        # For every positive, the weight of negatives below it and half of those beside it.
        up_to = _summed(negative)
        below = up_to.gather(-1, torch.searchsorted(scores, scores))
        not_above = up_to.gather(-1, torch.searchsorted(scores, scores, right=True))
        pairs = positive.sum(-1) * negative.sum(-1)
        return (positive * (below + not_above)).sum(-1) / (2 * pairs)


class AveragePrecision(RankingMetric, coalesce=True):
    """Mean precision at the score of each positive: the area under precision over recall, exact.

    Use it where positives are rare. It sums steps without interpolation, as scikit-learn's
    `average_precision_score`, and keeps an epoch's scores (24 bytes each). Without any positive it
    is 0.0.

    Args:
        average: Of outputs of several labels, (N, L): `"macro"` the mean over labels, `"weighted"`
            the same weighted by how often each is there, `"samples"` the mean over rows, `"micro"`
            of all entries together.
        name: Name it is logged under.
        dtype: Type in which scores are kept; float64 by default.

    Raises:
        UsageError: If there is no such average.

    Example:
        >>> float(AveragePrecision()([1, 0, 1, 0], [0.9, 0.8, 0.8, 0.1]))
        0.8333333333333333
    """

    def __init__(
        self,
        average: Average = "macro",
        name: str | None = None,
        dtype: Any = None,
        **unknown: Never,
    ) -> None:
        reject_unknown(AveragePrecision.__init__, unknown)
        super().__init__(average, name, dtype)

    @override
    def _area(self, scores: Tensor, positive: Tensor, negative: Tensor) -> Tensor:
        # For every positive, what scores as high as it or higher, from the top down.
        at_least = torch.searchsorted(-scores.flip(-1), -scores, right=True)
        found = _summed(positive.flip(-1)).gather(-1, at_least)
        wrong = _summed(negative.flip(-1)).gather(-1, at_least)
        return ratio((positive * ratio(found, found + wrong)).sum(-1), positive.sum(-1))


def _summed(values: Tensor) -> Tensor:
    """Return the sums of the first 0, 1, 2, ... values of each row."""
    return torch.nn.functional.pad(values.cumsum(-1), (1, 0))
