"""Precision and recall, of all entries together or averaged over labels or samples."""

from typing import Any, Literal, Never

from torch import Tensor
from typing_extensions import override

from epochal.core.errors import UsageError, reject_unknown, unknown_name
from epochal.metrics.confusion import Batch, ConfusionMetric, ratio
from epochal.metrics.thresholds import evenly_spaced, parse_thresholds

__all__ = ["Precision", "Recall"]

Average = Literal["micro", "macro", "weighted", "samples"]

_AVERAGES = ("micro", "macro", "weighted", "samples")
_ALL_TOP = -1e10  # Keras' threshold where `top_k` alone decides


class RateMetric(ConfusionMetric):
    """Base of the two: true positives as a share of them and the errors of one kind."""

    direction = "max"

    def __init__(
        self,
        errors: str,
        thresholds: Any,
        top_k: int | None,
        class_id: int | None,
        name: str | None,
        dtype: Any,
        average: Average | None,
    ) -> None:
        kind = type(self).__name__
        given = parse_thresholds(kind, thresholds)
        if average not in (None, *_AVERAGES):
            raise UsageError(f"{kind}: {unknown_name('average', average, _AVERAGES)}")
        apart = average not in (None, "micro")
        if apart and class_id is not None:
            raise UsageError(
                f"{kind}: class_id looks at one class, and average joins all; give one"
            )
        self.init_thresholds = given
        default = 0.5 if top_k is None else _ALL_TOP
        self.thresholds = (
            given if isinstance(given, list) else [default if given is None else given]
        )
        self.average = average
        self._errors = errors
        cells = ["true_positives", errors]
        if average == "weighted" and errors != "false_negatives":
            cells.append("false_negatives")  # with the true ones: how often each label is there
        super().__init__(
            self.thresholds,
            [] if average == "samples" else cells,
            evenly_spaced(self.thresholds),
            top_k=top_k,
            class_id=class_id,
            columns=None if apart else 0,
            dtype=dtype,
            name=name,
        )
        if average == "samples":
            self._total = self.add_weight((len(self.thresholds),), name="total")
            self._samples = self.add_weight(name="count")

    @override
    def _count(self, batch: Batch) -> None:
        if self._columns is None and batch.scores.ndim < 2:
            raise UsageError(
                f"{self.name}: average={self.average!r} needs labels in the last axis, (N, labels);"
                f" y_pred has the shape {tuple(batch.scores.shape)}"
            )
        if self.average != "samples":
            super()._count(batch)
            return
        # Rows take the place of labels: each is counted apart.
        counts = self._grid.cells(batch.labels.flatten(0, -2).T, batch.scores.flatten(0, -2).T)
        rate = ratio(counts.true_positives, counts.true_positives + getattr(counts, self._errors))
        if batch.weight is None:
            self._total.assign_add(rate.sum(1))
            self._samples.assign_add(rate.shape[1])
        else:
            weight = batch.weight.flatten(0, -2)[:, 0]
            self._total.assign_add((rate * weight).sum(1))
            self._samples.assign_add(weight.sum())

    @override
    def result(self) -> Tensor:
        """Return the rate so far: a number, or (T,) for several thresholds."""
        if self.average == "samples":
            value = ratio(self._total.value, self._samples.value)
        else:
            found = self._cells["true_positives"].value
            value = ratio(found, found + self._cells[self._errors].value)
            if self._columns is None:
                value = self._averaged(found, value)
        return value[0] if len(self.thresholds) == 1 else value

    def _averaged(self, found: Tensor, rates: Tensor) -> Tensor:
        if rates.ndim == 0:  # nothing has been taken in, and nobody knows how many labels there are
            return rates.expand(len(self.thresholds))
        if self.average == "macro":
            return rates.mean(1)
        present = found + self._cells["false_negatives"].value
        return ratio((rates * present).sum(1), present.sum(1))

    @override
    def get_config(self) -> dict[str, Any]:
        """Return the constructor's arguments."""
        return super().get_config() | {"thresholds": self.init_thresholds}


class Precision(RateMetric, coalesce=True):
    """Share of positives among what is taken for positive; 0.0 if nothing is.

    Use it where false alarms are dear. All entries of several labels count alike, unless
    `average` or `class_id` says otherwise.

    Args:
        thresholds: A score is taken for a positive strictly above it, from 0 to 1; 0.5 by default;
            several give several values.
        top_k: Only the `k` best scores of a row are taken for positives, all of them unless
            thresholds are given as well; of equal scores the first.
        class_id: The one entry of the last axis to look at.
        name: Name it is logged under.
        dtype: Type of its weights.
        average: `"macro"`: mean over labels, the last axis; `"weighted"`: the same, weighted by how
            often each is there; `"samples"`: mean over rows; `"micro"` or None: all entries alike.

    Raises:
        UsageError: If a threshold is outside of 0 to 1, or another argument is not what it can be.

    Example:
        >>> metric = Precision()
        >>> float(metric([0, 1, 1, 1], [0.9, 0.2, 0.8, 0.1]))
        0.5
    """

    def __init__(
        self,
        thresholds: Any = None,
        top_k: int | None = None,
        class_id: int | None = None,
        name: str | None = None,
        dtype: Any = None,
        average: Average | None = None,
        **unknown: Never,
    ) -> None:
        reject_unknown(Precision.__init__, unknown)
        super().__init__("false_positives", thresholds, top_k, class_id, name, dtype, average)


class Recall(RateMetric, coalesce=True):
    """Share of positives that are taken for positive; 0.0 if there are none.

    Use it where a miss is dear. All entries of several labels count alike, unless
    `average` or `class_id` says otherwise.

    Args:
        thresholds: A score is taken for a positive strictly above it, from 0 to 1; 0.5 by default;
            several give several values.
        top_k: Only the `k` best scores of a row are taken for positives, all of them unless
            thresholds are given as well; of equal scores the first.
        class_id: The one entry of the last axis to look at.
        name: Name it is logged under.
        dtype: Type of its weights.
        average: `"macro"`: mean over labels, the last axis; `"weighted"`: the same, weighted by how
            often each is there; `"samples"`: mean over rows; `"micro"` or None: all entries alike.

    Raises:
        UsageError: If a threshold is outside of 0 to 1, or another argument is not what it can be.

    Example:
        >>> metric = Recall()
        >>> float(metric([0, 1, 1, 0], [0.9, 0.2, 0.8, 0.1]))
        0.5
    """

    def __init__(
        self,
        thresholds: Any = None,
        top_k: int | None = None,
        class_id: int | None = None,
        name: str | None = None,
        dtype: Any = None,
        average: Average | None = None,
        **unknown: Never,
    ) -> None:
        reject_unknown(Recall.__init__, unknown)
        super().__init__("false_negatives", thresholds, top_k, class_id, name, dtype, average)
