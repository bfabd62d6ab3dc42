"""Intersection over union, for segmentation and class labels."""

from collections.abc import Sequence
from typing import Any, Never

import torch
from torch import Tensor
from typing_extensions import override

from epochal.backend.convert import as_dtype
from epochal.core.errors import UsageError, reject_unknown
from epochal.metrics.base import Metric, as_tensor
from epochal.metrics.confusion import ratio
from epochal.metrics.pairs import count_pairs
from epochal.metrics.thresholds import fraction, whole_number

__all__ = ["BinaryIoU", "IoU", "MeanIoU", "OneHotIoU", "OneHotMeanIoU"]


class _IoU(Metric):
    """Counts pairs of classes; the subclasses say how classes are read from targets and outputs."""

    ignore_class: int | None
    sparse_y_true: bool
    sparse_y_pred: bool
    axis: int

    def __init__(
        self, num_classes: int, target_class_ids: Sequence[int] | None, name: Any, dtype: Any
    ) -> None:
        super().__init__(dtype=dtype, name=name)
        kind = type(self).__name__
        self.num_classes = whole_number(kind, "num_classes", num_classes, 2)
        ids = range(num_classes) if target_class_ids is None else target_class_ids
        self._targets = list(ids)
        if not self._targets or any(not 0 <= number < num_classes for number in self._targets):
            raise UsageError(
                f"{kind}: target_class_ids is {self._targets}; give one or more numbers from 0 to "
                f"{num_classes - 1}"
            )
        # Of an integer type, as Keras' own, it would cut weights to whole numbers.
        whole = dtype is not None and not as_dtype(dtype).is_floating_point
        self.matrix = self.add_weight(
            (num_classes, num_classes),
            dtype=torch.float64 if whole else None,
            name="total_confusion_matrix",
        )

    @override
    def update_state(self, y_true: Any, y_pred: Any, sample_weight: Any = None) -> None:
        y_pred = as_tensor(y_pred)
        y_true = as_tensor(y_true, like=y_pred)
        true = y_true if self.sparse_y_true else self._largest(y_true)
        said = y_pred if self.sparse_y_pred else self._largest(y_pred)
        if self.ignore_class is not None:
            true = torch.where(true == self.ignore_class, -1, true)
        if sample_weight is not None:
            sample_weight = as_tensor(sample_weight, like=y_pred)
        self.matrix.assign_add(count_pairs(true, said, sample_weight, self.num_classes, self.name))

    @override
    def result(self) -> Tensor:
        """Return the mean over the chosen classes that occur, 0 if none does."""
        matrix = self.matrix.value
        both = matrix.diagonal()
        either = matrix.sum(0) + matrix.sum(1) - both
        # By Python numbers: an index from a list would be copied to the device at every reading.
        ious = torch.stack([ratio(both, either)[number] for number in self._targets])
        occurs = torch.stack([either[number] for number in self._targets]) > 0
        return ratio(ious.sum(), occurs.double().sum())

    def _largest(self, scores: Tensor) -> Tensor:
        if scores.ndim < 2 or scores.shape[self.axis] != self.num_classes:
            raise UsageError(
                f"{self.name} has {self.num_classes} classes, and takes one score for each along "
                f"axis {self.axis}; got the shape {tuple(scores.shape)}: for class numbers give "
                "sparse_y_true=True or sparse_y_pred=True"
            )
        return scores.argmax(self.axis)


class IoU(_IoU, coalesce=True):
    """Mean over chosen classes of `intersection / union` of true and predicted entries.

    Classes that neither occur nor are predicted are left out of the mean; entries whose class is
    outside of 0 to `num_classes - 1` are dropped. Weights may be fractions.

    Args:
        num_classes: Number of classes.
        target_class_ids: The classes to average over.
        name: Name it is logged under.
        dtype: Type of its weight, float64 where it is not a floating type.
        ignore_class: A true class whose entries are left out ("void" pixels).
        sparse_y_true: Whether targets are class numbers, not one-hot.
        sparse_y_pred: Whether outputs are class numbers, not scores.
        axis: Where the classes stand in what is not sparse.

    Raises:
        UsageError: If there are fewer than 2 classes, or a chosen one is not among them.

    Example:
        >>> metric = IoU(num_classes=2, target_class_ids=[0])
        >>> round(float(metric([0, 0, 1, 1], [0, 1, 0, 1])), 4)
        0.3333
    """

    direction = "max"

    def __init__(
        self,
        num_classes: int,
        target_class_ids: Sequence[int],
        name: str | None = None,
        dtype: Any = None,
        ignore_class: int | None = None,
        sparse_y_true: bool = True,
        sparse_y_pred: bool = True,
        axis: int = -1,
        **unknown: Never,
    ) -> None:
        reject_unknown(IoU.__init__, unknown)
        super().__init__(num_classes, target_class_ids, name, dtype)
        self.target_class_ids = target_class_ids
        self.ignore_class = ignore_class
        self.sparse_y_true, self.sparse_y_pred, self.axis = sparse_y_true, sparse_y_pred, axis


class MeanIoU(_IoU, coalesce=True):
    """`IoU` over all classes.

    Args:
        num_classes: Number of classes.
        name: Name it is logged under.
        dtype: Type of its weight, float64 where it is not a floating type.
        ignore_class: A true class whose entries are left out ("void" pixels).
        sparse_y_true: Whether targets are class numbers, not one-hot.
        sparse_y_pred: Whether outputs are class numbers, not scores.
        axis: Where the classes stand in what is not sparse.

    Example:
        >>> round(float(MeanIoU(num_classes=2)([0, 0, 1, 1], [0, 1, 0, 1])), 4)
        0.3333
    """

    direction = "max"

    def __init__(
        self,
        num_classes: int,
        name: str | None = None,
        dtype: Any = None,
        ignore_class: int | None = None,
        sparse_y_true: bool = True,
        sparse_y_pred: bool = True,
        axis: int = -1,
        **unknown: Never,
    ) -> None:
        reject_unknown(MeanIoU.__init__, unknown)
        super().__init__(num_classes, None, name, dtype)
        self.ignore_class = ignore_class
        self.sparse_y_true, self.sparse_y_pred, self.axis = sparse_y_true, sparse_y_pred, axis


class OneHotIoU(_IoU, coalesce=True):
    """`IoU` of one-hot targets and a score for each class.

    Args:
        num_classes: Number of classes.
        target_class_ids: The classes to average over.
        name: Name it is logged under.
        dtype: Type of its weight, float64 where it is not a floating type.
        ignore_class: A true class whose entries are left out.
        sparse_y_pred: Whether outputs are class numbers, not scores.
        axis: Where the classes stand.

    Example:
        >>> metric = OneHotIoU(num_classes=2, target_class_ids=[1])
        >>> float(metric([[0, 1], [1, 0]], [[0.3, 0.7], [0.4, 0.6]]))
        0.5
    """

    direction = "max"

    def __init__(
        self,
        num_classes: int,
        target_class_ids: Sequence[int],
        name: str | None = None,
        dtype: Any = None,
        ignore_class: int | None = None,
        sparse_y_pred: bool = False,
        axis: int = -1,
        **unknown: Never,
    ) -> None:
        reject_unknown(OneHotIoU.__init__, unknown)
        super().__init__(num_classes, target_class_ids, name, dtype)
        self.target_class_ids = target_class_ids
        self.ignore_class = ignore_class
        self.sparse_y_true, self.sparse_y_pred, self.axis = False, sparse_y_pred, axis


class OneHotMeanIoU(_IoU, coalesce=True):
    """`OneHotIoU` over all classes.

    Args:
        num_classes: Number of classes.
        name: Name it is logged under.
        dtype: Type of its weight, float64 where it is not a floating type.
        ignore_class: A true class whose entries are left out.
        sparse_y_pred: Whether outputs are class numbers, not scores.
        axis: Where the classes stand.

    Example:
        >>> metric = OneHotMeanIoU(num_classes=2)
        >>> float(metric([[0, 1], [1, 0]], [[0.3, 0.7], [0.6, 0.4]]))
        1.0
    """

    direction = "max"

    def __init__(
        self,
        num_classes: int,
        name: str | None = None,
        dtype: Any = None,
        ignore_class: int | None = None,
        sparse_y_pred: bool = False,
        axis: int = -1,
        **unknown: Never,
    ) -> None:
        reject_unknown(OneHotMeanIoU.__init__, unknown)
        super().__init__(num_classes, None, name, dtype)
        self.ignore_class = ignore_class
        self.sparse_y_true, self.sparse_y_pred, self.axis = False, sparse_y_pred, axis


class BinaryIoU(_IoU, coalesce=True):
    """`IoU` of two classes, told apart by a threshold.

    Args:
        target_class_ids: The classes to average over: 0, 1 or both.
        threshold: An output is class 1 at or above it, from 0 to 1 (as in Keras, unlike other
            metrics, which need more than the threshold).
        name: Name it is logged under.
        dtype: Type of its weight, float64 where it is not a floating type.

    Raises:
        UsageError: If the threshold is outside of 0 to 1, or a class is not 0 or 1.

    Example:
        >>> metric = BinaryIoU(target_class_ids=[0, 1], threshold=0.3)
        >>> round(float(metric([0, 1, 0, 1], [0.1, 0.2, 0.4, 0.7])), 4)
        0.3333
    """

    direction = "max"

    def __init__(
        self,
        target_class_ids: Sequence[int] = (0, 1),
        threshold: float = 0.5,
        name: str | None = None,
        dtype: Any = None,
        **unknown: Never,
    ) -> None:
        reject_unknown(BinaryIoU.__init__, unknown)
        super().__init__(2, target_class_ids, name, dtype)
        self.target_class_ids = target_class_ids
        self.threshold = fraction("BinaryIoU", "threshold", threshold)
        self.ignore_class, self.sparse_y_true, self.sparse_y_pred, self.axis = None, True, True, -1

    @override
    def update_state(self, y_true: Any, y_pred: Any, sample_weight: Any = None) -> None:
        super().update_state(y_true, (as_tensor(y_pred) >= self.threshold).long(), sample_weight)
