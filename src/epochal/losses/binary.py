"""Losses for yes-or-no targets: cross-entropies and hinges."""

from collections.abc import Iterator
from typing import Never

import torch
import torch.nn.functional as F
from torch import Tensor

from epochal.core.errors import UsageError
from epochal.functional import crossentropy, hinge
from epochal.functional.shapes import align
from epochal.losses import checks
from epochal.losses.base import PlainLoss

__all__ = ["BinaryCrossentropy", "BinaryFocalCrossentropy", "Hinge", "SquaredHinge"]


def check_smoothing(kind: str, label_smoothing: float) -> None:
    """Refuse a label smoothing that is not from 0 to 1."""
    if not 0.0 <= label_smoothing <= 1.0:
        raise UsageError(f"{kind}: label_smoothing is {label_smoothing}; give a number from 0 to 1")


class BinaryCrossentropy(PlainLoss):
    """The cross-entropy of yes-or-no targets: for one sigmoid unit, or several independent ones.

    Args:
        from_logits: Whether the model ends without a sigmoid.
        label_smoothing: How far, from 0 to 1, targets are moved towards 0.5.
        axis: The axis errors are averaged over first.
        reduction: How errors per sample become one number; see `Loss`.
        name: What the loss is called.
        dtype: The type to compute in.

    Raises:
        UsageError: If `label_smoothing` is not from 0 to 1.

    Example:
        >>> BinaryCrossentropy()([1, 0], [[0.9], [0.5]])
        tensor(0.3993)
    """

    def __init__(
        self,
        from_logits: bool = False,
        label_smoothing: float = 0.0,
        axis: int = -1,
        reduction: str | None = "sum_over_batch_size",
        name: str | None = "binary_crossentropy",
        dtype: str | torch.dtype | None = None,
        **unknown: Never,
    ) -> None:
        super().__init__(reduction, name, dtype, **unknown)
        check_smoothing("BinaryCrossentropy", label_smoothing)
        self.from_logits = from_logits
        self.label_smoothing = label_smoothing
        self.axis = axis

    def call(self, y_true: Tensor, y_pred: Tensor) -> Tensor:
        """Return the error of every sample."""
        return crossentropy.binary_crossentropy(
            y_true, y_pred, self.from_logits, self.label_smoothing, self.axis
        )

    def batch_mean(self, y_true: Tensor, y_pred: Tensor) -> Tensor:
        """Return the mean error of the batch."""
        y_true, y_pred = align(y_true, y_pred)
        if self.label_smoothing:
            y_true = y_true * (1.0 - self.label_smoothing) + 0.5 * self.label_smoothing
        logits = crossentropy.binary_logits(y_pred, self.from_logits)
        return F.binary_cross_entropy_with_logits(logits, y_true)

    def check(self, y_true: Tensor, y_pred: Tensor) -> Iterator[str]:
        """Yield sentences about targets outside of [0, 1] and outputs that are logits."""
        yield from checks.binary_targets(y_true, y_pred, "binary_crossentropy")
        if not self.from_logits:
            yield from checks.probabilities(y_pred, "binary_crossentropy", "sigmoid")


class BinaryFocalCrossentropy(PlainLoss):
    """The binary cross-entropy with easy samples discounted: for rare positives.

    Lin et al., 2017, "Focal loss for dense object detection", https://arxiv.org/abs/1708.02002.

    Args:
        apply_class_balancing: Whether class 1 counts `alpha` and class 0 `1 - alpha`.
        alpha: The weight of class 1.
        gamma: How strongly easy samples are discounted; 0 gives the plain cross-entropy.
        from_logits: Whether the model ends without a sigmoid.
        label_smoothing: How far, from 0 to 1, targets are moved towards 0.5.
        axis: The axis errors are averaged over first.
        reduction: How errors per sample become one number; see `Loss`.
        name: What the loss is called.
        dtype: The type to compute in.

    Raises:
        UsageError: If `label_smoothing` is not from 0 to 1.

    Example:
        >>> BinaryFocalCrossentropy()([1], [[0.5]])
        tensor(0.1733)
    """

    def __init__(
        self,
        apply_class_balancing: bool = False,
        alpha: float = 0.25,
        gamma: float = 2.0,
        from_logits: bool = False,
        label_smoothing: float = 0.0,
        axis: int = -1,
        reduction: str | None = "sum_over_batch_size",
        name: str | None = "binary_focal_crossentropy",
        dtype: str | torch.dtype | None = None,
        **unknown: Never,
    ) -> None:
        super().__init__(reduction, name, dtype, **unknown)
        check_smoothing("BinaryFocalCrossentropy", label_smoothing)
        self.apply_class_balancing = apply_class_balancing
        self.alpha = alpha
        self.gamma = gamma
        self.from_logits = from_logits
        self.label_smoothing = label_smoothing
        self.axis = axis

    def call(self, y_true: Tensor, y_pred: Tensor) -> Tensor:
        """Return the error of every sample."""
        return crossentropy.binary_focal_crossentropy(
            y_true,
            y_pred,
            self.apply_class_balancing,
            self.alpha,
            self.gamma,
            self.from_logits,
            self.label_smoothing,
            self.axis,
        )

    def check(self, y_true: Tensor, y_pred: Tensor) -> Iterator[str]:
        """Yield sentences about targets outside of [0, 1] and outputs that are logits."""
        yield from checks.binary_targets(y_true, y_pred, "binary_focal_crossentropy")
        if not self.from_logits:
            yield from checks.probabilities(y_pred, "binary_focal_crossentropy", "sigmoid")


class Hinge(PlainLoss):
    """The mean of `max(1 - y_true * y_pred, 0)`: a support vector machine's loss.

    Args:
        reduction: How errors per sample become one number; see `Loss`.
        name: What the loss is called.
        dtype: The type to compute in.

    Example:
        >>> Hinge()([1, -1], [[0.5], [-2.0]])
        tensor(0.2500)
    """

    def call(self, y_true: Tensor, y_pred: Tensor) -> Tensor:
        """Return the error of every sample."""
        return hinge.hinge(y_true, y_pred)

    def check(self, y_true: Tensor, y_pred: Tensor) -> Iterator[str]:
        """Yield sentences about labels other than -1, 0 and 1."""
        yield from checks.signs(y_true, y_pred, self.name)


class SquaredHinge(PlainLoss):
    """The mean of `max(1 - y_true * y_pred, 0)**2`: the hinge with a smooth foot.

    Args:
        reduction: How errors per sample become one number; see `Loss`.
        name: What the loss is called.
        dtype: The type to compute in.

    Example:
        >>> SquaredHinge()([1, -1], [[0.5], [-2.0]])
        tensor(0.1250)
    """

    def call(self, y_true: Tensor, y_pred: Tensor) -> Tensor:
        """Return the error of every sample."""
        return hinge.squared_hinge(y_true, y_pred)

    def check(self, y_true: Tensor, y_pred: Tensor) -> Iterator[str]:
        """Yield sentences about labels other than -1, 0 and 1."""
        yield from checks.signs(y_true, y_pred, self.name)
