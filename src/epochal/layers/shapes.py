"""Shapes as layers speak of them, and what a layer expects of its input."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeAlias

import numpy as np
import torch
from torch import Tensor

from epochal.core.errors import UsageError

__all__ = [
    "InputSpec",
    "Shape",
    "check_choice",
    "check_count",
    "check_fraction",
    "int_tuple",
    "is_shape",
    "known",
    "map_shapes",
    "shapes_of",
]

Shape: TypeAlias = tuple[int | None, ...]
"""The batch axis first; `None` where a size is not known or varies."""


@dataclass(frozen=True)
class InputSpec:
    """What a layer needs its input to look like; layers set it as `self.input_spec`.

    Args:
        ndim: The exact number of axes, batch included; `None` for any.
        min_ndim: The least number of axes.
        max_ndim: The greatest number of axes.
        axes: The size some axes must have, as `{axis: size}`.

    Example:
        >>> InputSpec(ndim=4, axes={-1: 3}).problem((None, 28, 28, 1))
        'axis -1 of size 3'
    """

    ndim: int | None = None
    min_ndim: int | None = None
    max_ndim: int | None = None
    axes: Mapping[int, int] = field(default_factory=dict)

    def problem(self, shape: Sequence[int | None]) -> str | None:
        """Return what was expected and is not so, or `None` when the shape fits."""
        axes = "axes, the batch axis included"
        if self.ndim is not None and len(shape) != self.ndim:
            return f"{self.ndim} {axes}"
        if self.min_ndim is not None and len(shape) < self.min_ndim:
            return f"at least {self.min_ndim} {axes}"
        if self.max_ndim is not None and len(shape) > self.max_ndim:
            return f"at most {self.max_ndim} {axes}"
        for axis, size in self.axes.items():
            if not -len(shape) <= axis < len(shape):
                return f"an axis {axis}"
            if shape[axis] not in (size, None):
                return f"axis {axis} of size {size}"
        return None


def is_shape(value: object) -> bool:
    """Return whether `value` is one shape, not a structure of shapes."""
    return isinstance(value, (tuple, list)) and all(
        size is None or isinstance(size, int) for size in value
    )


def map_shapes(function: Callable[[Shape], Any], shapes: Any) -> Any:
    """Return `function` of a shape, or of every shape in nested dicts, lists and tuples of them."""
    if is_shape(shapes):
        return function(tuple(shapes))
    if isinstance(shapes, Mapping):
        return {key: map_shapes(function, shape) for key, shape in shapes.items()}
    if isinstance(shapes, (list, tuple)):
        return type(shapes)(map_shapes(function, shape) for shape in shapes)
    raise UsageError(
        f"got {shapes!r} as a shape; expected integers, None for sizes that vary: (None, 28, 28, 1)"
    )


def shapes_of(value: Any) -> Any:
    """Return the shape of a tensor, or of every tensor in nested dicts, lists and tuples."""
    if isinstance(value, Tensor):
        return tuple(value.shape)
    if isinstance(value, Mapping):
        return {key: shapes_of(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [shapes_of(item) for item in value]
    return tuple(torch.as_tensor(value).shape)


def known(shape: Shape, axis: int, layer: str) -> int:
    """Return the size of one axis, which a layer needs to make its weights.

    Raises:
        UsageError: If that size is `None`.
    """
    size = shape[axis]
    if size is None:
        raise UsageError(
            f"{layer}: got input shape {shape}; expected a number for axis {axis}, because the "
            "shape of the layer's weights follows from it"
        )
    return size


def int_tuple(
    value: object, rank: int, name: str, layer: str, *, least: int = 1
) -> tuple[int, ...]:
    """Return one integer for each of `rank` axes.

    Raises:
        UsageError: If `value` is neither an integer nor `rank` of them, or one is below `least`.
    """
    values: tuple[Any, ...] = (value,) * rank
    if isinstance(value, (list, tuple)):
        values = tuple(value)
    if len(values) != rank or any(
        not isinstance(v, (int, np.integer)) or v < least for v in values
    ):
        several = f" or {rank} of them" if rank > 1 else ""
        raise UsageError(
            f"{layer}: got {name}={value!r}; expected an integer of {least} or more{several}"
        )
    return tuple(int(v) for v in values)


def check_choice(value: str, choices: Sequence[str], name: str, layer: str) -> str:
    """Return `value` in lower case if it is one of `choices`.

    Raises:
        UsageError: If it is not.
    """
    if not isinstance(value, str) or value.lower() not in choices:
        raise UsageError(f"{layer}: got {name}={value!r}; expected one of {', '.join(choices)}")
    return value.lower()


def check_count(value: int, name: str, layer: str) -> int:
    """Return `value` as an `int` if it is a positive whole number.

    Raises:
        UsageError: If it is not.
    """
    if not isinstance(value, (int, np.integer)) or isinstance(value, bool) or value < 1:
        raise UsageError(f"{layer}: got {name}={value!r}; expected an integer of 1 or more")
    return int(value)


def check_fraction(value: float, name: str, layer: str) -> float:
    """Return `value` if it is a number from 0 to 1.

    Raises:
        UsageError: If it is not.
    """
    if not isinstance(value, (int, float)) or not 0 <= value <= 1:
        raise UsageError(f"{layer}: got {name}={value!r}; expected a number from 0 to 1")
    return value
