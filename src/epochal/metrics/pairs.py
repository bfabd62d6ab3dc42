"""Counting (true class, predicted class) pairs, on the device and exactly."""

from typing import Any

import torch
from torch import Tensor

from epochal.core.errors import UsageError
from epochal.metrics.base import Metric, as_tensor, blocks
from epochal.metrics.mean import fit_weight
from epochal.metrics.thresholds import fraction, whole_number

__all__ = ["PairMetric", "count_pairs"]


def count_pairs(
    true: Tensor, said: Tensor, weight: Tensor | None, num_classes: int, name: str
) -> Tensor:
    """Return how much weight each pair of classes has, (num_classes, num_classes), float64.

    Pairs with a class outside of 0 to `num_classes - 1` are dropped: seeing them would need a wait
    for the device at every batch.

    Args:
        true: True classes, whole numbers of any type, (N, ...).
        said: Predicted classes, (N, ...).
        weight: One for each sample, (N,), or for each entry; or None.
        num_classes: Number of classes.
        name: Whose error it is.

    Raises:
        UsageError: If the shapes do not fit.
    """
    if true.ndim == said.ndim + 1 and true.shape[-1] == 1:
        true = true.squeeze(-1)
    if said.ndim == true.ndim + 1 and said.shape[-1] == 1:
        said = said.squeeze(-1)
    if true.shape != said.shape:
        raise UsageError(
            f"{name}: the true classes have the shape {tuple(true.shape)} and the predicted ones "
            f"{tuple(said.shape)}; give both the same"
        )
    parts = [true.flatten(), said.flatten()]
    if weight is not None:
        weight = fit_weight(weight, true).double()
        weight = weight.reshape(*weight.shape, *(1,) * (true.ndim - weight.ndim))
        parts.append(weight.expand(true.shape).flatten())
    matrix = torch.zeros(num_classes**2, dtype=torch.float64, device=true.device)
    for t, s, *w in blocks(*parts):
        known = (t >= 0) & (t < num_classes) & (s >= 0) & (s < num_classes)
        # NaN has no class, and as an integer it is any number.
        place = torch.where(known, t, 0).long() * num_classes + torch.where(known, s, 0).long()
        # Not bincount: on an accelerator it waits for the largest index.
        matrix.scatter_add_(0, place, torch.where(known, w[0], 0.0) if w else known.double())
    return matrix.reshape(num_classes, num_classes)


class PairMetric(Metric):
    """What is made of the whole confusion matrix; the classes are found from the outputs."""

    def __init__(
        self, num_classes: int | None, threshold: float, name: str, dtype: Any = None
    ) -> None:
        super().__init__(dtype=dtype, name=name)
        kind = type(self).__name__
        self.num_classes = (
            None if num_classes is None else whole_number(kind, "num_classes", num_classes, 2)
        )
        self.threshold = fraction(kind, "threshold", threshold)
        size = self.num_classes
        self.matrix = self.add_weight((size, size), name="matrix")

    def update_state(self, y_true: Any, y_pred: Any, sample_weight: Any = None) -> None:
        """Take one batch in.

        Args:
            y_true: Class numbers, (N, ...), or one-hot classes, (N, ..., C).
            y_pred: A score for each class, (N, ..., C); the score of class 1, (N,) or (N, ..., 1);
                or class numbers of an integer type, (N, ...), which need `num_classes`.
            sample_weight: How much each sample counts, (N,), or each entry; or None.

        Raises:
            UsageError: If the shapes do not fit, or the number of classes cannot be known.
        """
        y_pred = as_tensor(y_pred)
        y_true = as_tensor(y_true, like=y_pred)
        if sample_weight is not None:
            sample_weight = as_tensor(sample_weight, like=y_pred)
        true, said, found = self._classes(y_true, y_pred)
        self.matrix.assign_add(count_pairs(true, said, sample_weight, found, self.name))

    def _classes(self, y_true: Tensor, y_pred: Tensor) -> tuple[Tensor, Tensor, int]:
        if not y_pred.is_floating_point() and y_pred.ndim <= y_true.ndim:
            if self.num_classes is None:
                raise UsageError(
                    f"{self.name}: y_pred holds class numbers, and how many classes there are "
                    f"cannot be seen from a batch; give {type(self).__name__}(num_classes=...)"
                )
            return y_true, y_pred, self.num_classes
        if y_pred.ndim < 2 or y_pred.shape[-1] == 1:
            found, said = 2, (y_pred > self.threshold).long()
        else:
            found, said = y_pred.shape[-1], y_pred.argmax(-1)
            if y_true.shape == y_pred.shape:
                y_true = y_true.argmax(-1)
        if self.num_classes not in (None, found):
            raise UsageError(
                f"{self.name}: num_classes is {self.num_classes}, but outputs of the shape "
                f"{tuple(y_pred.shape)} are scores of {found} classes"
            )
        return y_true, said, found
