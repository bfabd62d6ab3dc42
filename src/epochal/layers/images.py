"""Channels last outside, channels first inside: how image layers run on torch's operations.

Permuting `(N, H, W, C)` to `(N, C, H, W)` moves nothing, and gives exactly the strides that torch
calls `channels_last`, for which its convolutions have their fast kernels.
"""

from typing import Final

import torch
from torch import Tensor

from epochal.layers.shapes import Shape, check_choice

__all__ = [
    "MEMORY_FORMATS",
    "PERMUTATIONS",
    "channel_axis",
    "check_data_format",
    "dilated",
    "same_padding",
    "spatial_sizes",
    "to_channels_first",
    "to_channels_last",
]

# By number of axes: the two permutations, and the memory format of weights.
PERMUTATIONS: Final = {
    3: ((0, 2, 1), (0, 2, 1)),
    4: ((0, 3, 1, 2), (0, 2, 3, 1)),
    5: ((0, 4, 1, 2, 3), (0, 2, 3, 4, 1)),
}
MEMORY_FORMATS: Final = {
    3: torch.contiguous_format,
    4: torch.channels_last,
    5: torch.channels_last_3d,
}


def check_data_format(data_format: str | None, layer: str) -> str:
    """Return `"channels_last"` or `"channels_first"`; `None` is the first.

    Raises:
        UsageError: If it is something else.
    """
    choices = ("channels_last", "channels_first")
    return check_choice(data_format or "channels_last", choices, "data_format", layer)


def to_channels_first(images: Tensor) -> Tensor:
    """Return a view with the last axis second."""
    return images.permute(PERMUTATIONS[images.dim()][0])


def to_channels_last(images: Tensor) -> Tensor:
    """Return a view with the second axis last."""
    return images.permute(PERMUTATIONS[images.dim()][1])


def channel_axis(data_format: str) -> int:
    """Return the axis of the channels."""
    return -1 if data_format == "channels_last" else 1


def spatial_sizes(shape: Shape, data_format: str) -> Shape:
    """Return the sizes between the batch and the channels."""
    return shape[1:-1] if data_format == "channels_last" else shape[2:]


def dilated(kernel: int, dilation: int) -> int:
    """Return how many values a dilated kernel spans."""
    return (kernel - 1) * dilation + 1


def same_padding(size: int, span: int, stride: int) -> tuple[int, int]:
    """Return the padding on both sides for an output of `ceil(size / stride)` values.

    An odd total puts the extra zero at the end, as TensorFlow does.

    Example:
        >>> same_padding(8, span=3, stride=2)
        (0, 1)
    """
    total = max((-(-size // stride) - 1) * stride + span - size, 0)
    return total // 2, total - total // 2
