"""Area under a curve over thresholds, as Keras computes it."""

from typing import Any, Never

import numpy as np
import torch
from torch import Tensor
from typing_extensions import override

from epochal.core.errors import UsageError, reject_unknown, unknown_name
from epochal.metrics.base import as_tensor
from epochal.metrics.confusion import Batch, Cells, ConfusionMetric, ratio
from epochal.metrics.thresholds import (
    even_thresholds,
    evenly_spaced,
    parse_thresholds,
    whole_number,
)

__all__ = ["AUC"]

_CURVES = ("ROC", "PR", "PRGAIN")
_SUMMATIONS = ("interpolation", "majoring", "minoring")
_BEYOND = 1e-7  # the outermost thresholds lie this far outside of 0 to 1


class AUC(ConfusionMetric, coalesce=True):
    """Area under the ROC or precision-recall curve, approximated at thresholds.

    It needs little memory and no more after a million batches; scores between two thresholds are
    ties. Use `ExactAUC` where an epoch's scores fit into memory and no approximation is wanted.

    Args:
        num_thresholds: How many thresholds from 0 to 1 the curve is drawn through, 2 or more.
        curve: `"ROC"`, `"PR"`, or `"PRGAIN"` (Flach and Kull, 2015).
        summation_method: `"interpolation"` (trapezoids; for `"PR"` that of Davis and Goadrich,
            2006), `"minoring"` or `"majoring"` (the lower or the higher end of every step).
        name: Name it is logged under.
        dtype: Type of its weights.
        thresholds: Thresholds of your own between 0 and 1, instead of evenly spaced ones.
        multi_label: Whether each entry of the last axis gets an area of its own, of which the mean
            is the result; otherwise all entries count alike.
        num_labels: How many labels there are, if `multi_label`; known by itself after a batch.
        label_weights: How much each label counts.
        from_logits: Whether scores are logits, which a sigmoid brings into 0 to 1 first.

    Raises:
        UsageError: If an argument is not what it can be.

    Example:
        >>> float(AUC(num_thresholds=3)([0, 0, 1, 1], [0, 0.5, 0.3, 0.9]))
        0.75
    """

    direction = "max"

    def __init__(
        self,
        num_thresholds: int = 200,
        curve: str = "ROC",
        summation_method: str = "interpolation",
        name: str | None = None,
        dtype: Any = None,
        thresholds: Any = None,
        multi_label: bool = False,
        num_labels: int | None = None,
        label_weights: Any = None,
        from_logits: bool = False,
        **unknown: Never,
    ) -> None:
        reject_unknown(AUC.__init__, unknown)
        self.curve = str(curve).upper()
        self.summation_method = str(summation_method).lower()
        if self.curve not in _CURVES:
            raise UsageError(f"AUC: {unknown_name('curve', curve, _CURVES)}")
        if self.summation_method not in _SUMMATIONS:
            text = unknown_name("summation_method", summation_method, _SUMMATIONS)
            raise UsageError(f"AUC: {text}")
        if num_labels is not None and not multi_label:
            raise UsageError("AUC: num_labels is for multi_label=True; give both or neither")
        self.init_thresholds = parse_thresholds("AUC", thresholds)
        if self.init_thresholds is None:
            inner = even_thresholds(whole_number("AUC", "num_thresholds", num_thresholds, 2))[1:-1]
        else:
            inner = sorted(np.atleast_1d(self.init_thresholds).tolist())
        self.thresholds = [-_BEYOND, *inner, 1.0 + _BEYOND]
        self.num_thresholds = len(self.thresholds)
        self.multi_label = bool(multi_label)
        self.num_labels = num_labels
        if num_labels is not None:
            self.num_labels = whole_number("AUC", "num_labels", num_labels, 1)
        self.label_weights = _label_weights(label_weights, self.num_labels)
        self.from_logits = bool(from_logits)
        super().__init__(
            self.thresholds,
            Cells._fields,
            clip=self.init_thresholds is None or evenly_spaced([0.0, *inner, 1.0]),
            columns=self.num_labels if self.multi_label else 0,
            dtype=dtype,
            name=name,
        )

    @override
    def _batch(self, y_true: Any, y_pred: Any, sample_weight: Any) -> Batch:
        if self.from_logits:
            y_pred = self._once(_probabilities, y_pred)
        batch = super()._batch(y_true, y_pred, sample_weight)
        shape = tuple(batch.scores.shape)
        if self.multi_label and (len(shape) != 2 or shape[1] != (self.num_labels or shape[1])):
            wanted = self.num_labels or "labels"
            raise UsageError(f"{self.name}: y_pred has the shape {shape}; give (N, {wanted})")
        if self.label_weights is None:
            return batch
        if len(self.label_weights) != shape[-1]:
            raise UsageError(
                f"{self.name}: there are {len(self.label_weights)} label_weights, and y_pred has "
                f"the shape {shape}; give one weight for each label"
            )
        if self.multi_label:  # there they weigh areas, not entries
            return batch
        weight = self._weights_of_labels(batch.scores.device).expand(shape)
        return batch._replace(weight=weight if batch.weight is None else weight * batch.weight)

    @override
    def result(self) -> Tensor:
        """Return the area so far; 0.0 where one of the two classes is missing."""
        cells = [self._cells[name].value for name in Cells._fields]
        if cells[0].ndim == 0:  # nothing has been taken in
            return cells[0]
        counts = Cells(*cells)
        if (self.curve, self.summation_method) == ("PR", "interpolation"):
            areas = _interpolated_precision(counts)
        else:
            areas = _area(*_CURVE_OF[self.curve](counts), self.summation_method)
        if not self.multi_label:
            return areas
        if self.label_weights is None:
            return areas.mean()
        weights = self._weights_of_labels(areas.device)
        return ratio((areas * weights).sum(), weights.sum())

    @override
    def get_config(self) -> dict[str, Any]:
        """Return the constructor's arguments."""
        return super().get_config() | {"thresholds": self.init_thresholds}

    def _weights_of_labels(self, device: torch.device) -> Tensor:
        return torch.tensor(self.label_weights, dtype=torch.float64).to(device, non_blocking=True)


def _probabilities(logits: Any) -> Tensor:
    given = as_tensor(logits)
    return given.float().sigmoid() if given.itemsize < 4 else given.sigmoid()


def _label_weights(weights: Any, labels: int | None) -> list[float] | None:
    if weights is None:
        return None
    found = np.asarray(weights, "float64")
    if found.ndim != 1 or (found < 0).any() or (labels is not None and len(found) != labels):
        raise UsageError(
            f"AUC: label_weights is {weights!r}; give a number of 0 or more for each label"
        )
    listed: list[float] = found.tolist()
    return listed


def _area(x: Tensor, y: Tensor, method: str) -> Tensor:
    """Return the area of steps from each threshold to the next, x falling."""
    here, there = y[:-1], y[1:]
    if method == "interpolation":
        height = (here + there) / 2
    else:
        height = torch.minimum(here, there) if method == "minoring" else torch.maximum(here, there)
    return ((x[:-1] - x[1:]) * height).sum(0)


def _roc(counts: Cells) -> tuple[Tensor, Tensor]:
    false_positives, true_negatives = counts.false_positives, counts.true_negatives
    return ratio(false_positives, false_positives + true_negatives), _recall(counts)


def _precision_recall(counts: Cells) -> tuple[Tensor, Tensor]:
    found = counts.true_positives
    return _recall(counts), ratio(found, found + counts.false_positives)


def _gains(counts: Cells) -> tuple[Tensor, Tensor]:
    """Return recall and precision gain, `1 - odds * errors / found`.

    Without anything found they are 0 and 1, and a recall below that of guessing gains nothing, so
    that the area stays finite.
    """
    found = counts.true_positives
    odds = ratio(found + counts.false_negatives, counts.true_negatives + counts.false_positives)
    recall = 1 - odds * ratio(counts.false_negatives, found)
    precision = 1 - odds * ratio(counts.false_positives, found)
    none = found == 0
    return (
        torch.where(none, torch.zeros_like(recall), recall).clamp(min=0),
        torch.where(none, torch.ones_like(precision), precision),
    )


def _recall(counts: Cells) -> Tensor:
    return ratio(counts.true_positives, counts.true_positives + counts.false_negatives)


def _interpolated_precision(counts: Cells) -> Tensor:
    """Return the area under precision over recall, both counts linear between two thresholds.

    With `s` true positives per new positive and the line `t = c + s * p` through both ends, a step
    has the area `s * (dt + c * log(p_here / p_there))`, per positive there is.
    """
    found = counts.true_positives
    taken = found + counts.false_positives
    more = found[:-1] - found[1:]
    slope = ratio(more, (taken[:-1] - taken[1:]).clamp(min=0))
    start = found[1:] - slope * taken[1:]
    grown = torch.where(
        (taken[:-1] > 0) & (taken[1:] > 0), ratio(taken[:-1], taken[1:]), torch.ones_like(start)
    )
    present = found[1:] + counts.false_negatives[1:]
    return ratio(slope * (more + start * grown.log()), present).sum(0)


_CURVE_OF = {"ROC": _roc, "PR": _precision_recall, "PRGAIN": _gains}
