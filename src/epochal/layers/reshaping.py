"""Layers that move values without changing them."""

import math
from collections.abc import Sequence

from torch import Tensor
from torch.nn import functional as F
from typing_extensions import Unpack

from epochal.core.errors import UsageError
from epochal.layers.base import Layer
from epochal.layers.images import check_data_format, to_channels_first, to_channels_last
from epochal.layers.keywords import LayerKeywords
from epochal.layers.shapes import InputSpec, check_choice, int_tuple

__all__ = ["Flatten", "Permute", "Reshape", "UpSampling2D", "ZeroPadding2D"]


class Flatten(Layer):
    """Makes one axis of all but the batch axis.

    Args:
        data_format: With `"channels_first"` the channels are moved last before flattening, so that
            the order of the values does not depend on the format.
        keywords: See `Layer`.

    Example:
        >>> import torch
        >>> Flatten()(torch.zeros(2, 3, 4)).shape
        torch.Size([2, 12])
    """

    def __init__(self, data_format: str | None = None, **keywords: Unpack[LayerKeywords]) -> None:
        super().__init__(**keywords)
        self.data_format = check_data_format(data_format, self.label)
        self.input_spec = InputSpec(min_ndim=1)

    def forward(self, inputs: Tensor) -> Tensor:
        """Return `(batch, values)`."""
        if self.data_format == "channels_first" and inputs.dim() > 2:
            inputs = inputs.movedim(1, -1)
        return inputs.reshape(inputs.shape[0], math.prod(inputs.shape[1:]))


class Reshape(Layer):
    """Gives every sample another shape.

    Args:
        target_shape: Without the batch axis; one size may be -1 and follows from the others.
        keywords: See `Layer`.

    Raises:
        UsageError: If the input has another number of values.

    Example:
        >>> import torch
        >>> Reshape((2, -1))(torch.zeros(5, 6)).shape
        torch.Size([5, 2, 3])
    """

    def __init__(
        self, target_shape: int | Sequence[int], **keywords: Unpack[LayerKeywords]
    ) -> None:
        super().__init__(**keywords)
        sizes = (target_shape,) if isinstance(target_shape, int) else tuple(target_shape)
        if sizes.count(-1) > 1 or any(size < -1 for size in sizes):
            raise UsageError(
                f"{self.label}: got target_shape={sizes}; expected sizes, at most one -1"
            )
        self.target_shape = sizes

    def forward(self, inputs: Tensor) -> Tensor:
        """Return `(batch, *target_shape)`."""
        try:
            return inputs.reshape(inputs.shape[0], *self.target_shape)
        except RuntimeError:
            shape = tuple(inputs.shape[1:])
            raise UsageError(
                f"{self.label}: got samples of shape {shape}, {math.prod(shape)} values; expected "
                f"as many as target_shape={self.target_shape} holds"
            ) from None


class Permute(Layer):
    """Puts the axes of every sample into another order.

    Args:
        dims: The old places of the axes in their new order, counted from 1; the batch axis, 0,
            stays where it is.
        keywords: See `Layer`.

    Example:
        >>> import torch
        >>> Permute((2, 1))(torch.zeros(5, 3, 4)).shape
        torch.Size([5, 4, 3])
    """

    def __init__(self, dims: Sequence[int], **keywords: Unpack[LayerKeywords]) -> None:
        super().__init__(**keywords)
        self.dims = tuple(dims)
        if sorted(self.dims) != list(range(1, len(self.dims) + 1)):
            raise UsageError(
                f"{self.label}: got dims={self.dims}; expected each of 1 to {len(self.dims)} once"
            )
        self.input_spec = InputSpec(ndim=len(self.dims) + 1)

    def forward(self, inputs: Tensor) -> Tensor:
        """Return a view with the axes in their new order."""
        if inputs.dim() != len(self.dims) + 1:
            self.check_input(tuple(inputs.shape))
        return inputs.permute(0, *self.dims)


class ZeroPadding2D(Layer):
    """Adds rows and columns of zeros around images.

    Args:
        padding: One number for all sides, `(rows, columns)`, or
            `((top, bottom), (left, right))`.
        data_format: `"channels_last"` or `"channels_first"`.
        keywords: See `Layer`.

    Example:
        >>> import torch
        >>> ZeroPadding2D(((1, 0), (2, 2)))(torch.zeros(1, 4, 4, 3)).shape
        torch.Size([1, 5, 8, 3])
    """

    def __init__(
        self,
        padding: int | Sequence[int] | Sequence[Sequence[int]] = (1, 1),
        data_format: str | None = None,
        **keywords: Unpack[LayerKeywords],
    ) -> None:
        super().__init__(**keywords)
        sides = (padding, padding) if isinstance(padding, int) else tuple(padding)
        if len(sides) != 2:
            raise UsageError(
                f"{self.label}: got padding={padding!r}; expected a number, two, or two pairs"
            )
        (top, bottom), (left, right) = (
            int_tuple(side, 2, "padding", self.label, least=0) for side in sides
        )
        self.padding = ((top, bottom), (left, right))
        self.data_format = check_data_format(data_format, self.label)
        self.input_spec = InputSpec(ndim=4)

    def forward(self, inputs: Tensor) -> Tensor:
        """Return the larger images."""
        (top, bottom), (left, right) = self.padding
        channels = (0, 0) if self.data_format == "channels_last" else ()
        return F.pad(inputs, (*channels, left, right, top, bottom))


class UpSampling2D(Layer):
    """Makes images larger by whole factors.

    Args:
        size: The factor, or one for rows and one for columns.
        data_format: `"channels_last"` or `"channels_first"`.
        interpolation: `"nearest"` repeats values, `"bilinear"` draws lines between them.
        keywords: See `Layer`.

    Raises:
        UsageError: If an argument cannot be used.

    Example:
        >>> import torch
        >>> UpSampling2D()(torch.zeros(1, 4, 4, 3)).shape
        torch.Size([1, 8, 8, 3])
    """

    def __init__(
        self,
        size: int | Sequence[int] = (2, 2),
        data_format: str | None = None,
        interpolation: str = "nearest",
        **keywords: Unpack[LayerKeywords],
    ) -> None:
        super().__init__(**keywords)
        self.size = int_tuple(size, 2, "size", self.label)
        self.data_format = check_data_format(data_format, self.label)
        self.interpolation = check_choice(
            interpolation, ("nearest", "bilinear"), "interpolation", self.label
        )
        self.input_spec = InputSpec(ndim=4)

    def forward(self, inputs: Tensor) -> Tensor:
        """Return the larger images."""
        last = self.data_format == "channels_last"
        images = to_channels_first(inputs) if last else inputs
        factors = tuple(float(factor) for factor in self.size)
        if self.interpolation == "bilinear":
            larger = F.interpolate(images, scale_factor=factors, mode="bilinear")
        else:
            larger = F.interpolate(images, scale_factor=factors, mode="nearest")
        return to_channels_last(larger) if last else larger
