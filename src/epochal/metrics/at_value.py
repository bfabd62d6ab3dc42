"""The best of one rate at the thresholds where another is good enough."""

from typing import Any, Never

import torch
from torch import Tensor
from typing_extensions import override

from epochal.core.errors import reject_unknown
from epochal.metrics.confusion import Cells, ConfusionMetric, ratio
from epochal.metrics.thresholds import even_thresholds, fraction, whole_number

__all__ = [
    "PrecisionAtRecall",
    "RecallAtPrecision",
    "SensitivityAtSpecificity",
    "SpecificityAtSensitivity",
]


class AtValue(ConfusionMetric):
    """Base of the four: thresholds from 0 to 1 in equal steps, and the best rate among them."""

    direction = "max"

    def __init__(
        self,
        argument: str,
        value: Any,
        num_thresholds: Any,
        class_id: int | None,
        name: str | None,
        dtype: Any,
    ) -> None:
        kind = type(self).__name__
        self.value = fraction(kind, argument, value)
        self.num_thresholds = whole_number(kind, "num_thresholds", num_thresholds, 1)
        self.thresholds = even_thresholds(self.num_thresholds)
        super().__init__(
            self.thresholds,
            Cells._fields,
            clip=self.num_thresholds > 1,
            class_id=class_id,
            dtype=dtype,
            name=name,
        )

    def _best(self, rate: Tensor, demanded: Tensor) -> Tensor:
        """Return the largest rate where the demanded one reaches the value; 0 if nowhere."""
        return torch.where(demanded >= self.value, rate, torch.zeros_like(rate)).amax()

    def _sensitivity(self) -> Tensor:
        found = self._cells["true_positives"].value
        return ratio(found, found + self._cells["false_negatives"].value)

    def _specificity(self) -> Tensor:
        refused = self._cells["true_negatives"].value
        return ratio(refused, refused + self._cells["false_positives"].value)

    def _precision(self) -> Tensor:
        found = self._cells["true_positives"].value
        return ratio(found, found + self._cells["false_positives"].value)


class SensitivityAtSpecificity(AtValue, coalesce=True):
    """The largest sensitivity (share of positives found) at a demanded specificity.

    Use it where false alarms have a fixed budget.
    The best of evenly spaced thresholds counts; 0.0 if none reaches the demand.

    Args:
        specificity: Share of negatives that must be taken for negatives, from 0 to 1.
        num_thresholds: How many thresholds from 0 to 1 are tried.
        class_id: The one entry of the last axis to look at; all by default.
        name: Name it is logged under.
        dtype: Type of its weights.

    Raises:
        UsageError: If specificity is outside of 0 to 1, or there is no threshold.

    Example:
        >>> float(SensitivityAtSpecificity(0.6)([0, 0, 0, 1, 1], [0, 0.3, 0.8, 0.3, 0.9]))
        0.5
    """

    def __init__(
        self,
        specificity: float,
        num_thresholds: int = 200,
        class_id: int | None = None,
        name: str | None = None,
        dtype: Any = None,
        **unknown: Never,
    ) -> None:
        reject_unknown(SensitivityAtSpecificity.__init__, unknown)
        super().__init__("specificity", specificity, num_thresholds, class_id, name, dtype)
        self.specificity = self.value

    @override
    def result(self) -> Tensor:
        """Return the sensitivity so far."""
        return self._best(self._sensitivity(), self._specificity())


class SpecificityAtSensitivity(AtValue, coalesce=True):
    """The largest specificity (share of negatives refused) at a demanded sensitivity.

    Use it where only so many positives may be missed.
    The best of evenly spaced thresholds counts; 0.0 if none reaches the demand.

    Args:
        sensitivity: Share of positives that must be found, from 0 to 1.
        num_thresholds: How many thresholds from 0 to 1 are tried.
        class_id: The one entry of the last axis to look at; all by default.
        name: Name it is logged under.
        dtype: Type of its weights.

    Raises:
        UsageError: If sensitivity is outside of 0 to 1, or there is no threshold.

    Example:
        >>> float(SpecificityAtSensitivity(0.6)([0, 0, 1, 1], [0, 0.5, 0.3, 0.9]))
        0.5
    """

    def __init__(
        self,
        sensitivity: float,
        num_thresholds: int = 200,
        class_id: int | None = None,
        name: str | None = None,
        dtype: Any = None,
        **unknown: Never,
    ) -> None:
        reject_unknown(SpecificityAtSensitivity.__init__, unknown)
        super().__init__("sensitivity", sensitivity, num_thresholds, class_id, name, dtype)
        self.sensitivity = self.value

    @override
    def result(self) -> Tensor:
        """Return the specificity so far."""
        return self._best(self._specificity(), self._sensitivity())


class PrecisionAtRecall(AtValue, coalesce=True):
    """The largest precision at a demanded recall.

    Use it where most positives have to be found, as in a screening.
    The best of evenly spaced thresholds counts; 0.0 if none reaches the demand.

    Args:
        recall: Share of positives that must be found, from 0 to 1.
        num_thresholds: How many thresholds from 0 to 1 are tried.
        class_id: The one entry of the last axis to look at; all by default.
        name: Name it is logged under.
        dtype: Type of its weights.

    Raises:
        UsageError: If recall is outside of 0 to 1, or there is no threshold.

    Example:
        >>> float(PrecisionAtRecall(0.6)([0, 0, 0, 1, 1], [0, 0.3, 0.8, 0.3, 0.9]))
        0.5
    """

    def __init__(
        self,
        recall: float,
        num_thresholds: int = 200,
        class_id: int | None = None,
        name: str | None = None,
        dtype: Any = None,
        **unknown: Never,
    ) -> None:
        reject_unknown(PrecisionAtRecall.__init__, unknown)
        super().__init__("recall", recall, num_thresholds, class_id, name, dtype)
        self.recall = self.value

    @override
    def result(self) -> Tensor:
        """Return the precision so far."""
        return self._best(self._precision(), self._sensitivity())


class RecallAtPrecision(AtValue, coalesce=True):
    """The largest recall at a demanded precision.

    Use it where what is reported has to be right.
    The best of evenly spaced thresholds counts; 0.0 if none reaches the demand.

    Args:
        precision: Share of those taken for positives that must be positives, from 0 to 1.
        num_thresholds: How many thresholds from 0 to 1 are tried.
        class_id: The one entry of the last axis to look at; all by default.
        name: Name it is logged under.
        dtype: Type of its weights.

    Raises:
        UsageError: If precision is outside of 0 to 1, or there is no threshold.

    Example:
        >>> float(RecallAtPrecision(0.6)([0, 0, 0, 1, 1], [0, 0.3, 0.8, 0.3, 0.9]))
        0.5
    """

    def __init__(
        self,
        precision: float,
        num_thresholds: int = 200,
        class_id: int | None = None,
        name: str | None = None,
        dtype: Any = None,
        **unknown: Never,
    ) -> None:
        reject_unknown(RecallAtPrecision.__init__, unknown)
        super().__init__("precision", precision, num_thresholds, class_id, name, dtype)
        self.precision = self.value

    @override
    def result(self) -> Tensor:
        """Return the recall so far."""
        return self._best(self._sensitivity(), self._precision())
