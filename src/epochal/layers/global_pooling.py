"""Pooling over all places at once: one value for each channel."""

from typing import ClassVar

from torch import Tensor
from typing_extensions import Unpack

from epochal.layers.base import Layer
from epochal.layers.images import check_data_format
from epochal.layers.keywords import LayerKeywords
from epochal.layers.shapes import InputSpec

__all__ = [
    "GlobalAveragePooling1D",
    "GlobalAveragePooling2D",
    "GlobalMaxPooling1D",
    "GlobalMaxPooling2D",
    "GlobalPooling",
]


class GlobalPooling(Layer):
    """Base of the global pooling layers.

    Args:
        data_format: `"channels_last"` or `"channels_first"`.
        keepdims: Whether the pooled axes stay, with size 1.
        keywords: See `Layer`.

    Raises:
        UsageError: If the input has another number of axes.
    """

    rank: ClassVar[int]

    def __init__(
        self,
        data_format: str | None = None,
        keepdims: bool = False,
        **keywords: Unpack[LayerKeywords],
    ) -> None:
        super().__init__(**keywords)
        self.data_format = check_data_format(data_format, self.label)
        self.keepdims = keepdims
        self.input_spec = InputSpec(ndim=self.rank + 2)
        first = 1 if self.data_format == "channels_last" else 2
        self._axes = tuple(range(first, first + self.rank))

    def forward(self, inputs: Tensor) -> Tensor:
        """Return `(batch, channels)`, or with axes of size 1 between them."""
        if inputs.dim() != self.rank + 2:
            self.check_input(tuple(inputs.shape))
        return self.pool(inputs)

    def pool(self, inputs: Tensor) -> Tensor:
        """Return one value for each channel."""
        raise NotImplementedError


class _GlobalMax(GlobalPooling):
    def pool(self, inputs: Tensor) -> Tensor:
        """Return the greatest value of each channel."""
        return inputs.amax(self._axes, keepdim=self.keepdims)


class _GlobalAverage(GlobalPooling):
    def pool(self, inputs: Tensor) -> Tensor:
        """Return the mean of each channel."""
        return inputs.mean(self._axes, keepdim=self.keepdims)


class GlobalMaxPooling1D(_GlobalMax):
    """The greatest value over all steps; see `GlobalPooling` for the arguments.

    Example:
        >>> import torch
        >>> GlobalMaxPooling1D()(torch.zeros(2, 10, 3)).shape
        torch.Size([2, 3])
    """

    rank = 1


class GlobalMaxPooling2D(_GlobalMax):
    """The greatest value over all pixels; see `GlobalPooling` for the arguments.

    Example:
        >>> import torch
        >>> GlobalMaxPooling2D()(torch.zeros(2, 5, 5, 3)).shape
        torch.Size([2, 3])
    """

    rank = 2


class GlobalAveragePooling1D(_GlobalAverage):
    """The mean over all steps; see `GlobalPooling` for the arguments.

    Example:
        >>> import torch
        >>> GlobalAveragePooling1D()(torch.zeros(2, 10, 3)).shape
        torch.Size([2, 3])
    """

    rank = 1


class GlobalAveragePooling2D(_GlobalAverage):
    """The mean over all pixels; see `GlobalPooling` for the arguments.

    Example:
        >>> import torch
        >>> GlobalAveragePooling2D(keepdims=True)(torch.zeros(2, 5, 5, 3)).shape
        torch.Size([2, 1, 1, 3])
    """

    rank = 2
