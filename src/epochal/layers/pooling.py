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
            outputs = self._pool_same(images) if self.padding == "same" else self.pool(images)
        except (RuntimeError, LookupError):
            self.check_input(tuple(inputs.shape))
            raise
        return to_channels_last(outputs) if last else outputs

    def _pool_same(self, images: Tensor) -> Tensor:
        """Return the windows that begin before the images and end after them, nothing copied.

        Torch pads both ends alike, and `ceil_mode` lets the last window hang over the end. With a
        stride of 1 no window can hang over: there, the larger end's padding is used for both and
        the first window, which is one too many, is left out.
        """
        padding, extra = [], []
        for size, pool, step in zip(images.shape[2:], self.pool_size, self.strides, strict=True):
            before, after = same_padding(size, pool, step)
            drop = after - before if step == 1 else 0
            padding.append(before + drop)
            extra.append(drop)
        outputs = self.pool(images, tuple(padding), ceil_mode=True)
        for axis, drop in enumerate(extra, 2):
            if drop:
                outputs = outputs.narrow(axis, drop, outputs.shape[axis] - drop)
        return outputs

    def pool(
        self, images: Tensor, padding: int | tuple[int, ...] = 0, ceil_mode: bool = False
    ) -> Tensor:
        """Return the pooled channels-first images; what is padded does not count."""
        raise NotImplementedError


class _MaxPooling(Pooling):
    def pool(
        self, images: Tensor, padding: int | tuple[int, ...] = 0, ceil_mode: bool = False
    ) -> Tensor:
        """Return the greatest value of each window."""
        pool = _MAXIMUM[self.rank]
        return pool(images, self.pool_size, self.strides, padding, ceil_mode=ceil_mode)


class _AveragePooling(Pooling):
    def pool(
        self, images: Tensor, padding: int | tuple[int, ...] = 0, ceil_mode: bool = False
    ) -> Tensor:
        """Return the mean of each window's values."""
        pool = _AVERAGE[self.rank]
        averaged: Tensor = pool(images, self.pool_size, self.strides, padding, ceil_mode, False)
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
