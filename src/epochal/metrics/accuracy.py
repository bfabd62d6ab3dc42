"""The accuracy family, as Keras names it."""

from collections.abc import Callable
from typing import Any, Never

import numpy as np
from torch import Tensor
from typing_extensions import override

from epochal.core.errors import UsageError, reject_unknown
from epochal.functional import accuracy as functions
from epochal.metrics.mean import MeanMetricWrapper

__all__ = [
    "Accuracy",
    "BinaryAccuracy",
    "CategoricalAccuracy",
    "SparseCategoricalAccuracy",
    "SparseTopKCategoricalAccuracy",
    "TopKCategoricalAccuracy",
]


class Accuracy(MeanMetricWrapper, coalesce=True):
    """How often predictions equal targets, entry by entry. For classes, use a class accuracy.

    Args:
        name: Name it is logged under.
        dtype: Type of its weights.

    Example:
        >>> float(Accuracy()([1, 2, 3, 4], [0, 2, 3, 4]))
        0.75
    """

    direction = "max"

    def __init__(self, name: str = "accuracy", dtype: Any = None, **unknown: Never) -> None:
        reject_unknown(Accuracy.__init__, unknown)
        super().__init__(functions.accuracy, name=name, dtype=dtype)


class UndecidedAccuracy(Accuracy, coalesce=True):
    """What "accuracy" stands for while nobody has seen an output: each batch's shape decides.

    A step of the user's own updates metrics itself, and the model need not be tried before it.

    Example:
        >>> float(UndecidedAccuracy()([1, 0], [[0.1, 0.9], [0.4, 0.6]]))
        0.5
    """

    @override
    def _take(self, y_true: Tensor, y_pred: Tensor, sample_weight: Any = None) -> None:
        self.fn = suiting(y_true, y_pred)
        super()._take(y_true, y_pred, sample_weight)


class ClassesFirstAccuracy(UndecidedAccuracy, coalesce=True):
    """What "accuracy" stands for beside torch's cross-entropies: classes are in axis 1.

    Example:
        >>> from torch import tensor
        >>> float(ClassesFirstAccuracy()(tensor([[0, 1]]), tensor([[[0.9, 0.2], [0.1, 0.8]]])))
        1.0
    """

    @override
    def _take(self, y_true: Tensor, y_pred: Tensor, sample_weight: Any = None) -> None:
        if y_true.ndim == y_pred.ndim:
            y_true = y_true.movedim(1, -1)
        super()._take(y_true, y_pred.movedim(1, -1), sample_weight)


def suiting(y_true: Tensor, y_pred: Tensor) -> Callable[..., Any]:
    """Return the accuracy that suits an output: binary, of class numbers, or of one-hot classes."""
    if y_pred.ndim < 2 or y_pred.shape[-1] == 1:
        return functions.binary_accuracy
    if y_true.ndim < y_pred.ndim or y_true.shape[-1] == 1:
        return functions.sparse_categorical_accuracy
    return functions.categorical_accuracy


class BinaryAccuracy(MeanMetricWrapper, coalesce=True):
    """How often predictions fall on the right side of a threshold.

    Args:
        name: Name it is logged under.
        dtype: Type of its weights.
        threshold: A prediction counts as 1 strictly above it; from 0 to 1.

    Raises:
        UsageError: If the threshold is outside of 0 to 1.

    Example:
        >>> float(BinaryAccuracy()([[1], [1], [0], [0]], [[0.98], [1.0], [0.0], [0.6]]))
        0.75
    """

    direction = "max"

    def __init__(
        self,
        name: str = "binary_accuracy",
        dtype: Any = None,
        threshold: float = 0.5,
        **unknown: Never,
    ) -> None:
        reject_unknown(BinaryAccuracy.__init__, unknown)
        self.threshold = _from_zero_to_one(threshold)
        super().__init__(
            functions.binary_accuracy, name=name, dtype=dtype, threshold=self.threshold
        )


class CategoricalAccuracy(MeanMetricWrapper, coalesce=True):
    """How often the largest output is the class of a one-hot target.

    Args:
        name: Name it is logged under.
        dtype: Type of its weights.

    Example:
        >>> float(CategoricalAccuracy()([[0, 1], [1, 0]], [[0.1, 0.9], [0.4, 0.6]]))
        0.5
    """

    direction = "max"

    def __init__(
        self, name: str = "categorical_accuracy", dtype: Any = None, **unknown: Never
    ) -> None:
        reject_unknown(CategoricalAccuracy.__init__, unknown)
        super().__init__(functions.categorical_accuracy, name=name, dtype=dtype)


class SparseCategoricalAccuracy(MeanMetricWrapper, coalesce=True):
    """How often the largest output is the class that an integer target names.

    Args:
        name: Name it is logged under.
        dtype: Type of its weights.

    Example:
        >>> float(SparseCategoricalAccuracy()([1, 0], [[0.1, 0.9], [0.4, 0.6]]))
        0.5
    """

    direction = "max"

    def __init__(
        self, name: str = "sparse_categorical_accuracy", dtype: Any = None, **unknown: Never
    ) -> None:
        reject_unknown(SparseCategoricalAccuracy.__init__, unknown)
        super().__init__(functions.sparse_categorical_accuracy, name=name, dtype=dtype)


class TopKCategoricalAccuracy(MeanMetricWrapper, coalesce=True):
    """How often the class of a one-hot target is among the `k` largest outputs.

    Args:
        k: How many of the best count.
        name: Name it is logged under.
        dtype: Type of its weights.

    Example:
        >>> metric = TopKCategoricalAccuracy(k=1)
        >>> float(metric([[0, 0, 1], [0, 1, 0]], [[0.1, 0.9, 0.8], [0, 1, 0]]))
        0.5
    """

    direction = "max"

    def __init__(
        self,
        k: int = 5,
        name: str = "top_k_categorical_accuracy",
        dtype: Any = None,
        **unknown: Never,
    ) -> None:
        reject_unknown(TopKCategoricalAccuracy.__init__, unknown)
        super().__init__(
            functions.top_k_categorical_accuracy, name=name, dtype=dtype, k=_at_least_one(k)
        )
        self.k = int(k)


class SparseTopKCategoricalAccuracy(MeanMetricWrapper, coalesce=True):
    """How often the class that an integer target names is among the `k` largest outputs.

    Args:
        k: How many of the best count.
        name: Name it is logged under.
        dtype: Type of its weights.
        from_sorted_ids: Whether outputs are class numbers, best first, rather than scores.

    Example:
        >>> float(SparseTopKCategoricalAccuracy(k=2)([2, 0], [[0.1, 0.9, 0.8], [0.0, 0.3, 0.7]]))
        0.5
    """

    direction = "max"

    def __init__(
        self,
        k: int = 5,
        name: str = "sparse_top_k_categorical_accuracy",
        dtype: Any = None,
        from_sorted_ids: bool = False,
        **unknown: Never,
    ) -> None:
        reject_unknown(SparseTopKCategoricalAccuracy.__init__, unknown)
        super().__init__(
            functions.sparse_top_k_categorical_accuracy,
            name=name,
            dtype=dtype,
            k=_at_least_one(k),
            from_sorted_ids=from_sorted_ids,
        )
        self.k = int(k)
        self.from_sorted_ids = from_sorted_ids


def _from_zero_to_one(threshold: Any) -> float:
    if not isinstance(threshold, (int, float, np.number)) or not 0 <= threshold <= 1:
        raise UsageError(f"BinaryAccuracy: threshold is {threshold!r}; give one from 0 to 1")
    return float(threshold)


def _at_least_one(k: Any) -> int:
    if isinstance(k, bool) or not isinstance(k, (int, np.integer)) or k < 1:
        raise UsageError(f"k is {k!r}; give how many of the best predictions count, 1 or more")
    return int(k)
