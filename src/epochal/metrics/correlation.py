"""How closely the entries of each output follow those of its target; higher is better."""

from typing import Any, Never

from torch import Tensor

from epochal.core.errors import reject_unknown
from epochal.functional import correlation as functions
from epochal.functional import distributions
from epochal.functional.shapes import ArrayLike
from epochal.metrics.rows import RowMetric

__all__ = ["ConcordanceCorrelation", "CosineSimilarity", "PearsonCorrelation"]


def _cosine(y_true: ArrayLike, y_pred: ArrayLike, axis: int) -> Tensor:
    # The function is a loss, so it is smaller where vectors agree.
    return -distributions.cosine_similarity(y_true, y_pred, axis)


class CosineSimilarity(RowMetric, coalesce=True):
    """Mean cosine between targets and predictions: 1 where they point the same way.

    The loss of the same name is this with a minus sign.

    Args:
        name: Name it is logged under.
        dtype: Type of its weights.
        axis: Where the vectors' entries stand. Along axis 0, the samples, it is taken of each
            batch and then depends on how the data is cut into batches.

    Example:
        >>> float(CosineSimilarity()([[0.0, 2.0], [1.0, 0.0]], [[0.0, 5.0], [0.0, 1.0]]))
        0.5
    """

    direction = "max"

    def __init__(
        self, name: str = "cosine_similarity", dtype: Any = None, axis: int = -1, **unknown: Never
    ) -> None:
        reject_unknown(CosineSimilarity.__init__, unknown)
        super().__init__(_cosine, name, dtype, axis)


class PearsonCorrelation(RowMetric, coalesce=True):
    """Mean over samples of Pearson's correlation between the entries of target and prediction.

    A sample with constant entries has none, so the mean is NaN: use it for outputs of several
    numbers (a curve, a spectrum).

    Args:
        name: Name it is logged under.
        dtype: Type of its weights.
        axis: Along which to correlate; see `CosineSimilarity`.

    Example:
        >>> round(float(PearsonCorrelation()([[0.0, 1.0, 2.0]], [[1.0, 3.0, 5.0]])), 6)
        1.0
    """

    direction = "max"

    def __init__(
        self, name: str = "pearson_correlation", dtype: Any = None, axis: int = -1, **unknown: Never
    ) -> None:
        reject_unknown(PearsonCorrelation.__init__, unknown)
        super().__init__(functions.pearson_correlation, name, dtype, axis)


class ConcordanceCorrelation(RowMetric, coalesce=True):
    """Mean over samples of Lin's concordance: correlation that also asks for the same scale.

    Args:
        name: Name it is logged under.
        dtype: Type of its weights.
        axis: Along which to correlate; see `CosineSimilarity`.

    Example:
        >>> round(float(ConcordanceCorrelation()([[0.0, 2.0]], [[1.0, 3.0]])), 4)
        0.6667
    """

    direction = "max"

    def __init__(
        self,
        name: str = "concordance_correlation",
        dtype: Any = None,
        axis: int = -1,
        **unknown: Never,
    ) -> None:
        reject_unknown(ConcordanceCorrelation.__init__, unknown)
        super().__init__(functions.concordance_correlation, name, dtype, axis)
