"""Losses for targets that are one of several classes."""

from collections.abc import Iterator
from typing import Never

import torch
import torch.nn.functional as F
from torch import Tensor

from epochal.core.errors import UsageError
from epochal.functional import crossentropy, hinge
from epochal.functional.shapes import align, class_indices
from epochal.losses import checks
from epochal.losses.base import PlainLoss
from epochal.losses.binary import check_smoothing

__all__ = [
    "CategoricalCrossentropy",
    "CategoricalFocalCrossentropy",
    "CategoricalGeneralizedCrossEntropy",
    "CategoricalHinge",
    "SparseCategoricalCrossentropy",
]


class CategoricalCrossentropy(PlainLoss):
    """The cross-entropy of one-hot (or soft) targets: for a softmax over classes.

    Args:
        from_logits: Whether the model ends without a softmax.
        label_smoothing: How far, from 0 to 1, targets are moved towards `1 / C`.
        axis: Where the classes stand.
        reduction: How errors per sample become one number; see `Loss`.
        name: What the loss is called.
        dtype: The type to compute in.

    Raises:
        UsageError: If `label_smoothing` is not from 0 to 1.

    Example:
        >>> CategoricalCrossentropy()([[0.0, 1.0]], [[0.1, 0.9]])
        tensor(0.1054)
    """

    def __init__(
        self,
        from_logits: bool = False,
        label_smoothing: float = 0.0,
        axis: int = -1,
        reduction: str | None = "sum_over_batch_size",
        name: str | None = "categorical_crossentropy",
        dtype: str | torch.dtype | None = None,
        **unknown: Never,
    ) -> None:
        super().__init__(reduction, name, dtype, **unknown)
        check_smoothing("CategoricalCrossentropy", label_smoothing)
        self.from_logits = from_logits
        self.label_smoothing = label_smoothing
        self.axis = axis

    def call(self, y_true: Tensor, y_pred: Tensor) -> Tensor:
        """Return the error of every sample."""
        return crossentropy.categorical_crossentropy(
            y_true, y_pred, self.from_logits, self.label_smoothing, self.axis
        )

    def batch_mean(self, y_true: Tensor, y_pred: Tensor) -> Tensor:
        """Return the mean error of the batch."""
        if not self.from_logits or y_pred.ndim != 2:
            return self.call(y_true, y_pred).mean()
        y_true, y_pred = align(y_true, y_pred)
        return F.cross_entropy(y_pred, y_true, label_smoothing=self.label_smoothing)

    def check(self, y_true: Tensor, y_pred: Tensor) -> Iterator[str]:
        """Yield sentences about integer labels, single columns and outputs that are logits."""
        yield from checks.class_weights(y_true, y_pred, "categorical_crossentropy", self.axis)
        yield from checks.scores(y_pred, "categorical_crossentropy", self.from_logits, self.axis)


class CategoricalFocalCrossentropy(PlainLoss):
    """The categorical cross-entropy with easy samples discounted: for rare classes.

    Lin et al., 2017, "Focal loss for dense object detection", https://arxiv.org/abs/1708.02002.

    Args:
        alpha: The weight of every class.
        gamma: How strongly easy samples are discounted.
        from_logits: Whether the model ends without a softmax.
        label_smoothing: How far, from 0 to 1, targets are moved towards `1 / C`.
        axis: Where the classes stand.
        reduction: How errors per sample become one number; see `Loss`.
        name: What the loss is called.
        dtype: The type to compute in.

    Raises:
        UsageError: If `label_smoothing` is not from 0 to 1.

    Example:
        >>> CategoricalFocalCrossentropy()([[0.0, 1.0]], [[0.5, 0.5]])
        tensor(0.0433)
    """

    def __init__(
        self,
        alpha: float = 0.25,
        gamma: float = 2.0,
        from_logits: bool = False,
        label_smoothing: float = 0.0,
        axis: int = -1,
        reduction: str | None = "sum_over_batch_size",
        name: str | None = "categorical_focal_crossentropy",
        dtype: str | torch.dtype | None = None,
        **unknown: Never,
    ) -> None:
        super().__init__(reduction, name, dtype, **unknown)
        check_smoothing("CategoricalFocalCrossentropy", label_smoothing)
        self.alpha = alpha
        self.gamma = gamma
        self.from_logits = from_logits
        self.label_smoothing = label_smoothing
        self.axis = axis

    def call(self, y_true: Tensor, y_pred: Tensor) -> Tensor:
        """Return the error of every sample."""
        return crossentropy.categorical_focal_crossentropy(
            y_true,
            y_pred,
            self.alpha,
            self.gamma,
            self.from_logits,
            self.label_smoothing,
            self.axis,
        )

    def check(self, y_true: Tensor, y_pred: Tensor) -> Iterator[str]:
        """Yield sentences about integer labels, single columns and outputs that are logits."""
        kind = "categorical_focal_crossentropy"
        yield from checks.class_weights(y_true, y_pred, kind, self.axis)
        yield from checks.scores(y_pred, kind, self.from_logits, self.axis)


class SparseCategoricalCrossentropy(PlainLoss):
    """The cross-entropy of integer labels: for a softmax over classes.

    Args:
        from_logits: Whether the model ends without a softmax.
        ignore_class: A label whose entries do not count (padding, "void" pixels); the mean is then
            one over the entries that do.
        reduction: How errors per sample become one number; see `Loss`.
        axis: Where the classes stand in the model's output.
        name: What the loss is called.
        dtype: The type to compute in.

    Example:
        >>> SparseCategoricalCrossentropy()([1, 0], [[0.1, 0.9], [0.5, 0.5]])
        tensor(0.3993)
    """

    def __init__(
        self,
        from_logits: bool = False,
        ignore_class: int | None = None,
        reduction: str | None = "sum_over_batch_size",
        axis: int = -1,
        name: str | None = "sparse_categorical_crossentropy",
        dtype: str | torch.dtype | None = None,
        **unknown: Never,
    ) -> None:
        super().__init__(reduction, name, dtype, **unknown)
        # An ignored label changes what a mean is over, which only the general way looks at.
        self._in_one = self._in_one and ignore_class is None
        self.from_logits = from_logits
        self.ignore_class = ignore_class
        self.axis = axis

    def call(self, y_true: Tensor, y_pred: Tensor) -> Tensor:
        """Return the error of every sample."""
        return crossentropy.sparse_categorical_crossentropy(
            y_true, y_pred, self.from_logits, self.ignore_class, self.axis
        )

    def batch_mean(self, y_true: Tensor, y_pred: Tensor) -> Tensor:
        """Return the mean error of the batch."""
        if not self.from_logits:
            return self.call(y_true, y_pred).mean()
        labels, y_pred = class_indices(y_true, y_pred, self.axis)
        return F.cross_entropy(y_pred.movedim(self.axis, 1), labels)

    def mask(self, y_true: Tensor, y_pred: Tensor) -> Tensor | None:
        """Return True where the label is not the ignored one."""
        if self.ignore_class is None:
            return None
        return class_indices(y_true, y_pred, self.axis)[0] != self.ignore_class

    def check(self, y_true: Tensor, y_pred: Tensor) -> Iterator[str]:
        """Yield sentences about one-hot targets, labels out of range, and logits."""
        kind = "sparse_categorical_crossentropy"
        yield from checks.class_labels(y_true, y_pred, kind, self.axis, self.ignore_class)
        yield from checks.scores(y_pred, kind, self.from_logits, self.axis)


class CategoricalGeneralizedCrossEntropy(PlainLoss):
    """Between cross-entropy and mean absolute error: for labels that are partly wrong.

    Zhang and Sabuncu, 2018, https://arxiv.org/abs/1805.07836.

    Args:
        q: Between 0 (cross-entropy) and 1 (mean absolute error).
        reduction: How errors per sample become one number; see `Loss`.
        name: What the loss is called.
        dtype: The type to compute in.

    Raises:
        UsageError: If `q` is not between 0 and 1.

    Example:
        >>> CategoricalGeneralizedCrossEntropy()([0], [[0.25, 0.75]])
        tensor(1.)
    """

    def __init__(
        self,
        q: float = 0.5,
        reduction: str | None = "sum_over_batch_size",
        name: str | None = "categorical_generalized_cross_entropy",
        dtype: str | torch.dtype | None = None,
        **unknown: Never,
    ) -> None:
        super().__init__(reduction, name, dtype, **unknown)
        if not 0.0 < q < 1.0:
            raise UsageError(
                f"CategoricalGeneralizedCrossEntropy: q is {q}; give a number between 0 and 1"
            )
        self.q = q

    def call(self, y_true: Tensor, y_pred: Tensor) -> Tensor:
        """Return the error of every sample."""
        return crossentropy.categorical_generalized_cross_entropy(y_true, y_pred, self.q)

    def check(self, y_true: Tensor, y_pred: Tensor) -> Iterator[str]:
        """Yield sentences about one-hot targets, labels out of range, and logits."""
        kind = "categorical_generalized_cross_entropy"
        yield from checks.class_labels(y_true, y_pred, kind)
        yield from checks.scores(y_pred, kind, from_logits=False)


class CategoricalHinge(PlainLoss):
    """By how much the best wrong class comes within 1 of the right one.

    Args:
        reduction: How errors per sample become one number; see `Loss`.
        name: What the loss is called.
        dtype: The type to compute in.

    Example:
        >>> CategoricalHinge()([[0.0, 1.0]], [[0.4, 0.6]])
        tensor(0.8000)
    """

    def call(self, y_true: Tensor, y_pred: Tensor) -> Tensor:
        """Return the error of every sample."""
        return hinge.categorical_hinge(y_true, y_pred)

    def check(self, y_true: Tensor, y_pred: Tensor) -> Iterator[str]:
        """Yield sentences about integer labels and single columns."""
        yield from checks.class_weights(y_true, y_pred, "categorical_hinge")
