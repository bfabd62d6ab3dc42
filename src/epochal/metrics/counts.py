"""How many positives and negatives are right and wrong."""

from typing import Any, Never

from torch import Tensor
from typing_extensions import override

from epochal.core.errors import reject_unknown
from epochal.metrics.confusion import ConfusionMetric
from epochal.metrics.thresholds import evenly_spaced, parse_thresholds

__all__ = ["FalseNegatives", "FalsePositives", "TrueNegatives", "TruePositives"]


class CellMetric(ConfusionMetric):
    """Base of the four counts: one of them, under the name of Keras' weight."""

    def __init__(self, cell: str, thresholds: Any, name: str | None, dtype: Any) -> None:
        given = parse_thresholds(type(self).__name__, thresholds)
        self.init_thresholds = given
        self.thresholds = [0.5] if given is None else given if isinstance(given, list) else [given]
        super().__init__(
            self.thresholds, [cell], evenly_spaced(self.thresholds), dtype=dtype, name=name
        )
        self.accumulator = self._cells[cell]

    @override
    def result(self) -> Tensor:
        """Return the count so far: a number, or (T,) for several thresholds."""
        value = self.accumulator.value
        return value[0] if len(self.thresholds) == 1 else value

    @override
    def get_config(self) -> dict[str, Any]:
        """Return the constructor's arguments."""
        return super().get_config() | {"thresholds": self.init_thresholds}


class FalsePositives(CellMetric, coalesce=True):
    """Number (or weight) of negatives that are taken for positives.

    Args:
        thresholds: A score is taken for a positive strictly above it, 0.5 by default; several
            give several counts.
        name: Name it is logged under.
        dtype: Type of its weight.

    Raises:
        UsageError: If a threshold is outside of 0 to 1.

    Example:
        >>> float(FalsePositives()([0, 0, 1], [0.9, 0.2, 0.8]))
        1.0
    """

    def __init__(
        self, thresholds: Any = None, name: str | None = None, dtype: Any = None, **unknown: Never
    ) -> None:
        reject_unknown(FalsePositives.__init__, unknown)
        super().__init__("false_positives", thresholds, name, dtype)


class FalseNegatives(CellMetric, coalesce=True):
    """Number (or weight) of positives that are taken for negatives.

    Args:
        thresholds: A score is taken for a positive strictly above it, 0.5 by default; several
            give several counts.
        name: Name it is logged under.
        dtype: Type of its weight.

    Raises:
        UsageError: If a threshold is outside of 0 to 1.

    Example:
        >>> float(FalseNegatives()([0, 1, 1], [0.9, 0.2, 0.8]))
        1.0
    """

    def __init__(
        self, thresholds: Any = None, name: str | None = None, dtype: Any = None, **unknown: Never
    ) -> None:
        reject_unknown(FalseNegatives.__init__, unknown)
        super().__init__("false_negatives", thresholds, name, dtype)


class TrueNegatives(CellMetric, coalesce=True):
    """Number (or weight) of negatives that are taken for negatives.

    Args:
        thresholds: A score is taken for a positive strictly above it, 0.5 by default; several
            give several counts.
        name: Name it is logged under.
        dtype: Type of its weight.

    Raises:
        UsageError: If a threshold is outside of 0 to 1.

    Example:
        >>> float(TrueNegatives()([0, 0, 1], [0.9, 0.2, 0.8]))
        1.0
    """

    def __init__(
        self, thresholds: Any = None, name: str | None = None, dtype: Any = None, **unknown: Never
    ) -> None:
        reject_unknown(TrueNegatives.__init__, unknown)
        super().__init__("true_negatives", thresholds, name, dtype)


class TruePositives(CellMetric, coalesce=True):
    """Number (or weight) of positives that are taken for positives.

    Args:
        thresholds: A score is taken for a positive strictly above it, 0.5 by default; several
            give several counts.
        name: Name it is logged under.
        dtype: Type of its weight.

    Raises:
        UsageError: If a threshold is outside of 0 to 1.

    Example:
        >>> float(TruePositives()([0, 1, 1], [0.9, 0.2, 0.8]))
        1.0
    """

    def __init__(
        self, thresholds: Any = None, name: str | None = None, dtype: Any = None, **unknown: Never
    ) -> None:
        reject_unknown(TruePositives.__init__, unknown)
        super().__init__("true_positives", thresholds, name, dtype)
