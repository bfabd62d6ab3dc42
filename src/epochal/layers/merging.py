"""Layers that make one tensor of several."""

from collections.abc import Sequence
from functools import reduce
from typing import Any

import torch
from torch import Tensor
from typing_extensions import Unpack

from epochal.core.errors import UsageError, UsageTypeError
from epochal.layers.base import Layer
from epochal.layers.keywords import LayerKeywords

__all__ = [
    "Add",
    "Average",
    "Concatenate",
    "Dot",
    "Maximum",
    "Merge",
    "Minimum",
    "Multiply",
    "Subtract",
]


class Merge(Layer):
    """Base of the layers that take a list of tensors and return one.

    Tensors of fewer axes get axes of size 1 after the batch, then all are broadcast, as in Keras.

    Args:
        keywords: See `Layer`.

    Raises:
        UsageTypeError: If the input is no list of tensors.
    """

    def forward(self, inputs: Sequence[Tensor]) -> Tensor:
        """Return one tensor for a list of them."""
        tensors = self._listed(inputs)
        rank = max(tensor.ndim for tensor in tensors)
        level = [t.reshape(t.shape[0], *(1,) * (rank - t.ndim), *t.shape[1:]) for t in tensors]
        return reduce(self.merge, level)

    def merge(self, first: Tensor, second: Tensor) -> Tensor:
        """Return one tensor for two; folded over the list."""
        raise NotImplementedError

    def _listed(self, inputs: Any) -> list[Tensor]:
        if not isinstance(inputs, (list, tuple)) or not inputs:
            raise UsageTypeError(
                f"{self.label}: got {type(inputs).__name__}; call it on a list of tensors"
            )
        return list(inputs)


class Add(Merge):
    """The sum of several tensors: a residual connection.

    Example:
        >>> Add()([torch.ones(1, 2), torch.ones(1, 2)]).tolist()
        [[2.0, 2.0]]
    """

    def merge(self, first: Tensor, second: Tensor) -> Tensor:
        """Return the sum."""
        return first + second


class Subtract(Merge):
    """The first tensor minus the second.

    Raises:
        UsageError: If there are not two tensors.

    Example:
        >>> Subtract()([torch.ones(1, 2), torch.ones(1, 2)]).tolist()
        [[0.0, 0.0]]
    """

    def merge(self, first: Tensor, second: Tensor) -> Tensor:
        """Return the difference."""
        return first - second

    def _listed(self, inputs: Any) -> list[Tensor]:
        tensors = super()._listed(inputs)
        if len(tensors) != 2:
            raise UsageError(f"{self.label}: got {len(tensors)} tensors; expected 2")
        return tensors


class Multiply(Merge):
    """The product of several tensors, entry by entry.

    Example:
        >>> Multiply()([torch.full((1, 2), 3.0), torch.full((1, 2), 2.0)]).tolist()
        [[6.0, 6.0]]
    """

    def merge(self, first: Tensor, second: Tensor) -> Tensor:
        """Return the product."""
        return first * second


class Maximum(Merge):
    """The largest of several tensors, entry by entry.

    Example:
        >>> Maximum()([torch.tensor([[1.0, 5.0]]), torch.tensor([[2.0, 3.0]])]).tolist()
        [[2.0, 5.0]]
    """

    def merge(self, first: Tensor, second: Tensor) -> Tensor:
        """Return the larger."""
        return torch.maximum(first, second)


class Minimum(Merge):
    """The smallest of several tensors, entry by entry.

    Example:
        >>> Minimum()([torch.tensor([[1.0, 5.0]]), torch.tensor([[2.0, 3.0]])]).tolist()
        [[1.0, 3.0]]
    """

    def merge(self, first: Tensor, second: Tensor) -> Tensor:
        """Return the smaller."""
        return torch.minimum(first, second)


class Average(Add):
    """The mean of several tensors, entry by entry.

    Example:
        >>> Average()([torch.zeros(1, 2), torch.ones(1, 2)]).tolist()
        [[0.5, 0.5]]
    """

    def forward(self, inputs: Sequence[Tensor]) -> Tensor:
        """Return the mean of a list of tensors."""
        return super().forward(inputs) / len(inputs)


class Concatenate(Merge):
    """Several tensors one behind the other.

    Args:
        axis: Along which.
        keywords: See `Layer`.

    Example:
        >>> Concatenate()([torch.zeros(4, 2), torch.ones(4, 3)]).shape
        torch.Size([4, 5])
    """

    def __init__(self, axis: int = -1, **keywords: Unpack[LayerKeywords]) -> None:
        super().__init__(**keywords)
        self.axis = axis

    def forward(self, inputs: Sequence[Tensor]) -> Tensor:
        """Return all tensors of a list in one."""
        return torch.cat(self._listed(inputs), self.axis)


class Dot(Merge):
    """The sum of products of two tensors along one axis of each.

    Args:
        axes: The axis of both, or one axis for each; the batch is axis 0.
        normalize: Whether both are brought to length 1 first: the cosine of their angle.
        keywords: See `Layer`.

    Raises:
        UsageError: If the axes are not one or two, or name the batch.

    Example:
        >>> Dot(axes=1)([torch.ones(4, 3), torch.ones(4, 3)]).shape
        torch.Size([4, 1])
    """

    def __init__(
        self,
        axes: int | Sequence[int],
        normalize: bool = False,
        **keywords: Unpack[LayerKeywords],
    ) -> None:
        super().__init__(**keywords)
        self.axes = axes if isinstance(axes, int) else tuple(axes)
        self.normalize = normalize
        both = (axes, axes) if isinstance(axes, int) else tuple(axes)
        if len(both) != 2 or 0 in both:
            raise UsageError(f"{self.label}: got axes={axes!r}; expected one or two, and none 0")
        self._axes = both

    def forward(self, inputs: Sequence[Tensor]) -> Tensor:
        """Return `(batch, ...)`: the other axes of the first tensor, then those of the second."""
        tensors = self._listed(inputs)
        if len(tensors) != 2:
            raise UsageError(f"{self.label}: got {len(tensors)} tensors; expected 2")
        first, second = (t.movedim(a, -1) for t, a in zip(tensors, self._axes, strict=True))
        if self.normalize:
            first = torch.nn.functional.normalize(first, dim=-1)
            second = torch.nn.functional.normalize(second, dim=-1)
        rest = (*first.shape[1:-1], *second.shape[1:-1])
        flat = first.flatten(1, -2) if first.ndim > 2 else first.unsqueeze(1)
        other = second.flatten(1, -2) if second.ndim > 2 else second.unsqueeze(1)
        result = flat @ other.transpose(1, 2)
        return result.reshape(result.shape[0], *(rest or (1,)))
