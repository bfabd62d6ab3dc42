"""Pooling: the greatest or the mean value of each window."""

from collections.abc import Sequence
from typing import Any, ClassVar

from torch import Tensor
from torch.nn import functional as F
from typing_extensions import Unpack

from epochal.core.errors import UsageError
from epochal.layers.base import Layer
from epochal.layers.images import (
    check_data_format,
    same_padding,
    spatial_sizes,
    to_channels_first,
    to_channels_last,
)
from epochal.layers.keywords import LayerKeywords
from epochal.layers.shapes import InputSpec, Shape, check_choice, int_tuple

__all__ = [
    "AveragePooling1D",
    "AveragePooling2D",
    "AveragePooling3D",
    "MaxPooling1D",
    "MaxPooling2D",
    "MaxPooling3D",
    "Pooling",
]

_MAXIMUM = {1: F.max_pool1d, 2: F.max_pool2d, 3: F.max_pool3d}
_AVERAGE: dict[int, Any] = {1: F.avg_pool1d, 2: F.avg_pool2d, 3: F.avg_pool3d}


class Pooling(Layer):
    """Base of the pooling layers, which differ in the number of axes and in what they keep.

    Args:
        pool_size: Size of the window, one for all axes or one for each.
        strides: Step of the window; `pool_size` if not given.
        padding: `"valid"` (windows that fit) or `"same"` (the output is as large as the input
            divided by the strides; what is outside does not count).
        data_format: `"channels_last"` or `"channels_first"`.
        keywords: See `Layer`.

    Raises:
        UsageError: If an argument cannot be used, or the input is smaller than the window.
    """

    rank: ClassVar[int]

    def __init__(
        self,
        pool_size: int | Sequence[int] = 2,
        strides: int | Sequence[int] | None = None,
        padding: str = "valid",
        data_format: str | None = None,
        **keywords: Unpack[LayerKeywords],
    ) -> None:
        super().__init__(**keywords)
        self.pool_size = int_tuple(pool_size, self.rank, "pool_size", self.label)
        steps = self.pool_size if strides is None else strides
        self.strides = int_tuple(steps, self.rank, "strides", self.label)
        self.padding = check_choice(padding, ("valid", "same"), "padding", self.label)
        self.data_format = check_data_format(data_format, self.label)
        self.input_spec = InputSpec(ndim=self.rank + 2)

    def check_input(self, shape: Shape) -> None:
        """Refuse images of another rank, or smaller than the window.

        Raises:
            UsageError: Naming the layer, what it got and what it expects.
        """
        super().check_input(shape)
        sizes = spatial_sizes(shape, self.data_format)
        fits = all(s is None or s >= p for s, p in zip(sizes, self.pool_size, strict=True))
        if self.padding == "valid" and not fits:
            raise UsageError(
                f"{self.label}: got input of shape {shape}; expected at least {self.pool_size} "
                "along the pooled axes; use a smaller pool_size or padding='same'"
            )

    def forward(self, inputs: Tensor) -> Tensor:
        """Return the smaller images."""
        last = self.data_format == "channels_last"
        try:
            images = to_channels_first(inputs) if last else inputs
            padding: tuple[int, ...] = (0,) * self.rank
            if self.padding == "same":
                sides = map(same_padding, images.shape[2:], self.pool_size, self.strides)
                padding = tuple(before for before, _ in sides)
            outputs = self.pool(images, padding)
        except (RuntimeError, LookupError):
            self.check_input(tuple(inputs.shape))
            raise
        return to_channels_last(outputs) if last else outputs

    def pool(self, images: Tensor, padding: tuple[int, ...]) -> Tensor:
        """Return the pooled channels-first images.

        `padding` is what goes before each axis. At most one more goes after it: `ceil_mode` lets
        the last window hang over the end by exactly that.
        """
        raise NotImplementedError


class _MaxPooling(Pooling):
    def pool(self, images: Tensor, padding: tuple[int, ...]) -> Tensor:
        """Return the greatest value of each window."""
        ceil = self.padding == "same"
        pool = _MAXIMUM[self.rank]
        return pool(images, self.pool_size, self.strides, padding, ceil_mode=ceil)


class _AveragePooling(Pooling):
    def pool(self, images: Tensor, padding: tuple[int, ...]) -> Tensor:
        """Return the mean of each window's values, those outside not counted."""
        ceil = self.padding == "same"
        pool = _AVERAGE[self.rank]
        averaged: Tensor = pool(images, self.pool_size, self.strides, padding, ceil, False)
        return averaged


class MaxPooling1D(_MaxPooling):
    """The greatest value of each window of steps; see `Pooling` for the arguments.

    Example:
        >>> import torch
        >>> MaxPooling1D(2)(torch.tensor([[[1.0], [3.0], [2.0], [0.0]]])).flatten()
        tensor([3., 2.])
    """

    rank = 1


class MaxPooling2D(_MaxPooling):
    """The greatest value of each window of images; see `Pooling` for the arguments.

    Example:
        >>> import torch
        >>> MaxPooling2D()(torch.zeros(1, 5, 5, 3)).shape
        torch.Size([1, 2, 2, 3])
    """

    rank = 2


class MaxPooling3D(_MaxPooling):
    """The greatest value of each window of volumes; see `Pooling` for the arguments.

    Example:
        >>> import torch
        >>> MaxPooling3D(2)(torch.zeros(1, 4, 4, 4, 3)).shape
        torch.Size([1, 2, 2, 2, 3])
    """

    rank = 3


class AveragePooling1D(_AveragePooling):
    """The mean of each window of steps; see `Pooling` for the arguments.

    Example:
        >>> import torch
        >>> AveragePooling1D(2)(torch.tensor([[[1.0], [3.0], [2.0], [0.0]]])).flatten()
        tensor([2., 1.])
    """

    rank = 1


class AveragePooling2D(_AveragePooling):
    """The mean of each window of images; see `Pooling` for the arguments.

    Example:
        >>> import torch
        >>> AveragePooling2D(2, padding="same")(torch.zeros(1, 5, 5, 3)).shape
        torch.Size([1, 3, 3, 3])
    """

    rank = 2


class AveragePooling3D(_AveragePooling):
    """The mean of each window of volumes; see `Pooling` for the arguments.

    Example:
        >>> import torch
        >>> AveragePooling3D(2)(torch.zeros(1, 4, 4, 4, 3)).shape
        torch.Size([1, 2, 2, 2, 3])
    """

    rank = 3
