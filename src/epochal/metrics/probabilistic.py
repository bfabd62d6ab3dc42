"""How well predicted probabilities explain the targets; lower is better."""

from typing import Any, Never

import torch
from torch import Tensor
from typing_extensions import override

from epochal.core.errors import UsageError, reject_unknown
from epochal.functional import crossentropy, distributions
from epochal.functional.shapes import class_indices
from epochal.metrics.base import as_tensor
from epochal.metrics.mean import fit_weight
from epochal.metrics.regression import ErrorMetric
from epochal.metrics.rows import RowMetric
from epochal.metrics.thresholds import fraction

__all__ = [
    "BinaryCrossentropy",
    "CategoricalCrossentropy",
    "KLDivergence",
    "Poisson",
    "SparseCategoricalCrossentropy",
]


class KLDivergence(RowMetric, coalesce=True):
    """Mean Kullback-Leibler divergence of predicted from true probabilities, in nats.

    Args:
        name: Name it is logged under.
        dtype: Type of its weights.

    Example:
        >>> round(float(KLDivergence()([[0.5, 0.5]], [[0.25, 0.75]])), 4)
        0.1438
    """

    direction = "min"

    def __init__(self, name: str = "kl_divergence", dtype: Any = None, **unknown: Never) -> None:
        reject_unknown(KLDivergence.__init__, unknown)
        super().__init__(distributions.kl_divergence, name, dtype)


class Poisson(ErrorMetric, coalesce=True):
    """Mean of `y_pred - y_true * log(y_pred)`, for predicted counts.

    Args:
        name: Name it is logged under.
        dtype: Type of its weights.

    Example:
        >>> round(float(Poisson()([2.0], [1.0])), 4)
        1.0
    """

    def __init__(self, name: str = "poisson", dtype: Any = None, **unknown: Never) -> None:
        reject_unknown(Poisson.__init__, unknown)
        super().__init__(distributions.poisson, name=name, dtype=dtype)


class BinaryCrossentropy(ErrorMetric, coalesce=True):
    """Mean cross-entropy of yes-or-no targets, in nats.

    Args:
        name: Name it is logged under.
        dtype: Type of its weights.
        from_logits: Whether outputs are logits rather than probabilities.
        label_smoothing: How far, from 0 to 1, targets are moved towards 0.5.

    Raises:
        UsageError: If `label_smoothing` is not from 0 to 1.

    Example:
        >>> round(float(BinaryCrossentropy()([1, 0], [0.9, 0.5])), 4)
        0.3993
    """

    def __init__(
        self,
        name: str = "binary_crossentropy",
        dtype: Any = None,
        from_logits: bool = False,
        label_smoothing: float = 0.0,
        **unknown: Never,
    ) -> None:
        reject_unknown(BinaryCrossentropy.__init__, unknown)
        self.from_logits = from_logits
        self.label_smoothing = fraction("BinaryCrossentropy", "label_smoothing", label_smoothing)
        super().__init__(
            crossentropy.binary_crossentropy,
            name=name,
            dtype=dtype,
            from_logits=from_logits,
            label_smoothing=self.label_smoothing,
        )


class CategoricalCrossentropy(RowMetric, coalesce=True):
    """Mean cross-entropy between one-hot (or soft) targets and predicted classes, in nats.

    Args:
        name: Name it is logged under.
        dtype: Type of its weights.
        from_logits: Whether outputs are logits; probabilities are made to sum to 1.
        label_smoothing: How far, from 0 to 1, targets are moved towards `1 / C`.
        axis: Where the classes stand.

    Raises:
        UsageError: If `label_smoothing` is not from 0 to 1.

    Example:
        >>> round(float(CategoricalCrossentropy()([[0, 1, 0]], [[0.05, 0.9, 0.05]])), 4)
        0.1054
    """

    direction = "min"

    def __init__(
        self,
        name: str = "categorical_crossentropy",
        dtype: Any = None,
        from_logits: bool = False,
        label_smoothing: float = 0.0,
        axis: int = -1,
        **unknown: Never,
    ) -> None:
        reject_unknown(CategoricalCrossentropy.__init__, unknown)
        self.from_logits = from_logits
        self.label_smoothing = fraction(
            "CategoricalCrossentropy", "label_smoothing", label_smoothing
        )
        super().__init__(
            crossentropy.categorical_crossentropy,
            name,
            dtype,
            axis,
            from_logits=from_logits,
            label_smoothing=self.label_smoothing,
        )


class SparseCategoricalCrossentropy(RowMetric, coalesce=True):
    """Mean cross-entropy between integer labels and predicted classes, in nats.

    Args:
        name: Name it is logged under.
        dtype: Type of its weights.
        from_logits: Whether outputs are logits rather than probabilities.
        ignore_class: A label whose entries are left out of the mean (padding, "void" pixels).
        axis: Where the classes stand in the outputs.

    Example:
        >>> metric = SparseCategoricalCrossentropy(ignore_class=-1)
        >>> round(float(metric([1, 0, -1], [[0.1, 0.9], [0.5, 0.5], [0.2, 0.8]])), 4)
        0.3993
    """

    direction = "min"

    def __init__(
        self,
        name: str = "sparse_categorical_crossentropy",
        dtype: Any = None,
        from_logits: bool = False,
        ignore_class: int | None = None,
        axis: int = -1,
        **unknown: Never,
    ) -> None:
        reject_unknown(SparseCategoricalCrossentropy.__init__, unknown)
        if ignore_class is not None and not isinstance(ignore_class, int):
            raise UsageError(
                f"SparseCategoricalCrossentropy: ignore_class is {ignore_class!r}; give a whole "
                "number or None"
            )
        self.from_logits = from_logits
        self.ignore_class = ignore_class
        super().__init__(
            crossentropy.sparse_categorical_crossentropy,
            name,
            dtype,
            axis,
            from_logits=from_logits,
            ignore_class=ignore_class,
        )

    @override
    def update_state(  # type: ignore[override]  # as every metric's but `Mean`'s
        self, y_true: Any, y_pred: Any, sample_weight: Any = None
    ) -> None:
        y_pred = as_tensor(y_pred)
        y_true = as_tensor(y_true, like=y_pred)
        if y_pred.ndim > 1 and y_pred.is_cpu:  # elsewhere the question would make the loop wait
            self._check_labels(*class_indices(y_true, y_pred, self.axis))
        if self.ignore_class is not None and y_pred.ndim > 1:
            labels, _ = class_indices(y_true, y_pred, self.axis)
            counts = (labels != self.ignore_class).double()
            if sample_weight is not None:
                weight = fit_weight(as_tensor(sample_weight, like=y_pred), counts)
                weight = weight.reshape(*weight.shape, *(1,) * (counts.ndim - weight.ndim))
                counts = torch.where(counts > 0, weight, 0.0)
            sample_weight = counts
        super().update_state(y_true, y_pred, sample_weight)

    def _check_labels(self, labels: Tensor, y_pred: Tensor) -> None:
        classes = y_pred.shape[self.axis]
        wrong = (labels < 0) | (labels >= classes)
        if self.ignore_class is not None:
            wrong &= labels != self.ignore_class
        if wrong.any():
            raise UsageError(
                f"{self.name}: y_true holds the class {int(labels[wrong][0])}, and y_pred has the "
                f"shape {tuple(y_pred.shape)}: classes go from 0 to {classes - 1}; pass "
                "ignore_class for a label that is to be left out"
            )
