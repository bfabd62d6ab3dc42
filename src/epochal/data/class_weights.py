"""Sample weights from class labels."""

import math
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from epochal.core.errors import Problems, UsageError

__all__ = ["ClassWeights", "class_weights"]


class ClassWeights:
    """The function from class labels to sample weights; a class that is not named weighs 1.

    Args:
        weights: Class number to weight.

    Example:
        >>> weigh = ClassWeights({0: 0.5, 2: 3.0})
        >>> weigh(torch.tensor([0, 1, 2, 7])).tolist()
        [0.5, 1.0, 3.0, 1.0]
        >>> weigh(torch.tensor([[0.0, 0.0, 1.0]])).tolist()
        [3.0]
    """

    def __init__(self, weights: Mapping[int, float]) -> None:
        # One entry more than classes named: what every other label weighs.
        self._table = torch.ones(max(map(int, weights), default=0) + 2)
        for label, weight in weights.items():
            self._table[int(label)] = float(weight)

    def __call__(self, labels: Any) -> Tensor:
        """Return the weights of labels: class numbers, (...) or (..., 1), or one-hot (..., C).

        Raises:
            UsageError: If the labels are not one tensor.
        """
        if not isinstance(labels, Tensor):
            got = "none" if labels is None else f"a {type(labels).__name__}"
            raise UsageError(f"class_weight needs one array of class labels as y; got {got}")
        if labels.dtype == torch.bool:
            labels = labels.to(torch.uint8)  # torch rounds and compares no booleans
        if labels.ndim > 1:
            one_hot = labels.shape[-1] != 1
            labels = labels.argmax(-1) if one_hot else labels.squeeze(-1)
        if labels.is_floating_point():
            labels = labels.round()
        if self._table.device != labels.device:  # once, and without waiting for the device
            self._table = self._table.to(labels.device, non_blocking=True)
        numbers, others = labels.long(), len(self._table) - 1
        return self._table[torch.where((numbers >= 0) & (numbers < others), numbers, others)]


def class_weights(weights: Any, problems: Problems) -> ClassWeights:
    """Return the function from class labels to sample weights, noting what cannot be one."""
    if not isinstance(weights, Mapping):
        problems.add(
            f"class_weight is {weights!r}; give a dict of class numbers, as in {{0: 1.0, 1: 3.5}}",
            of_type=True,
        )
        return ClassWeights({})
    bad = [key for key in weights if isinstance(key, bool) or not _is_class(key)]
    if bad or not weights:
        problems.add(
            f"class_weight has the keys {bad or list(weights)}; expected class numbers, as in "
            "{0: 1.0, 1: 3.5}"
        )
        return ClassWeights({})
    wrong = {key: weight for key, weight in weights.items() if not _is_weight(weight)}
    if wrong:
        problems.add(f"class_weight has {wrong}; give a finite weight of 0 or more for each class")
        return ClassWeights({})
    return ClassWeights(weights)


def _is_class(key: Any) -> bool:
    try:
        return bool(int(key) == key and key >= 0)
    except (TypeError, ValueError, OverflowError):
        return False


def _is_weight(weight: Any) -> bool:
    try:
        return math.isfinite(weight) and weight >= 0
    except TypeError:
        return False
