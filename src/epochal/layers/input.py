"""What a model's input looks like, before there is any."""

from collections.abc import Sequence
from typing import Any, Never

import torch
from torch import Tensor

from epochal.core.errors import UsageError, reject_unknown
from epochal.layers.base import Layer

__all__ = ["Input", "InputLayer"]


class InputLayer(Layer):
    """The shape, dtype and name of one input; as a layer it returns its input unchanged.

    Use it through `Input` as the first entry of a Sequential, which is then built at once.

    Args:
        shape: Of one input, without the batch axis.
        batch_size: If it never varies.
        dtype: Of the input, `"float32"` if not given.
        batch_shape: Instead of `shape` and `batch_size`, both in one.
        name: Of the input.

    Raises:
        UsageError: If neither or both of `shape` and `batch_shape` are given.

    Example:
        >>> InputLayer((28, 28, 1)).input_shape
        (28, 28, 1)
    """

    def __init__(
        self,
        shape: Sequence[int | None] | None = None,
        batch_size: int | None = None,
        dtype: str | torch.dtype | None = None,
        batch_shape: Sequence[int | None] | None = None,
        name: str | None = None,
        **unknown: Never,
    ) -> None:
        for flag in ("sparse", "ragged", "optional"):  # in every config that Keras writes
            if unknown.get(flag, 0) in (None, False) and flag in unknown:
                del unknown[flag]
        reject_unknown(InputLayer.__init__, unknown)
        if (shape is None) == (batch_shape is None):
            raise UsageError(
                "Input: give one of shape and batch_shape, for example shape=(28, 28, 1)"
            )
        if batch_shape is not None:
            batch_size, shape = batch_shape[0], tuple(batch_shape)[1:]
        super().__init__(name=name, dtype=dtype, input_shape=shape)
        self.batch_size = batch_size

    @property
    def shape(self) -> tuple[int | None, ...]:
        """The shape of one input, without the batch axis."""
        return self.input_shape or ()

    @property
    def batch_shape(self) -> tuple[int | None, ...]:
        """The shape with the batch axis."""
        return (self.batch_size, *self.shape)

    def forward(self, inputs: Tensor) -> Tensor:
        """Return the inputs."""
        return inputs

    def get_config(self) -> dict[str, Any]:
        """Return the arguments as Keras writes them."""
        return {"batch_shape": list(self.batch_shape), "dtype": self.dtype, "name": self.name}


def Input(  # noqa: N802  # Keras' name
    shape: Sequence[int | None] | None = None,
    batch_size: int | None = None,
    dtype: str | torch.dtype | None = None,
    batch_shape: Sequence[int | None] | None = None,
    name: str | None = None,
    **unknown: Never,
) -> InputLayer:
    """Return what tells a Sequential the shape of its input.

    Args:
        shape: Of one input, without the batch axis.
        batch_size: If it never varies.
        dtype: Of the input, `"float32"` if not given.
        batch_shape: Instead of `shape` and `batch_size`, both in one.
        name: Of the input.

    Raises:
        UsageError: If neither or both of `shape` and `batch_shape` are given.

    Example:
        >>> Input(shape=(2,)).input_shape
        (2,)
    """
    reject_unknown(Input, unknown)
    return InputLayer(shape, batch_size, dtype, batch_shape, name)
