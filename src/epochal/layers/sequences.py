"""Layers for sequences beside the recurrent ones: one vector, or one layer, for all steps."""

from collections.abc import Mapping
from typing import Any

from torch import Tensor
from typing_extensions import Unpack

from epochal.core.errors import UsageError, UsageTypeError
from epochal.layers.base import Layer
from epochal.layers.keywords import LayerKeywords
from epochal.layers.registry import deserialize
from epochal.layers.shapes import InputSpec, Shape, check_count

__all__ = ["RepeatVector", "TimeDistributed"]


class RepeatVector(Layer):
    """Gives the same vector to every step of a sequence; between an encoder and a decoder.

    Args:
        n: Number of steps.
        keywords: See `Layer`.

    Raises:
        UsageError: If `n` is not 1 or more.

    Example:
        >>> import torch
        >>> RepeatVector(3)(torch.zeros(2, 5)).shape
        torch.Size([2, 3, 5])
    """

    def __init__(self, n: int, **keywords: Unpack[LayerKeywords]) -> None:
        super().__init__(**keywords)
        self.n = check_count(n, "n", self.label)
        self.input_spec = InputSpec(ndim=2)

    def forward(self, inputs: Tensor) -> Tensor:
        """Return `(batch, n, features)` for `(batch, features)`."""
        if inputs.dim() != 2:
            self.check_input(tuple(inputs.shape))
        return inputs.unsqueeze(1).repeat(1, self.n, 1)


class TimeDistributed(Layer):
    """Applies one layer to each step of a sequence: all steps of a batch go through it at once.

    `Dense` and the activations do so by themselves; use it for convolutions over the frames of a
    film, or to read a model of Keras'. Inside of it a `BatchNormalization` sees a batch's steps as
    one batch.

    Args:
        layer: The layer, or its config.
        keywords: See `Layer`.

    Raises:
        UsageTypeError: If `layer` is none.

    Example:
        >>> import torch
        >>> from epochal.layers import Dense
        >>> TimeDistributed(Dense(4))(torch.zeros(2, 10, 3)).shape
        torch.Size([2, 10, 4])
    """

    layer: Layer

    def __init__(self, layer: Layer | Mapping[str, Any], **keywords: Unpack[LayerKeywords]) -> None:
        super().__init__(**keywords)
        made: object = deserialize(layer) if isinstance(layer, Mapping) else layer
        if not isinstance(made, Layer):
            raise UsageTypeError(f"{self.label}: got {made!r}; expected a layer of epochal.layers")
        self.layer = made
        if not self.trainable:
            made.trainable = False
        self.input_spec = InputSpec(min_ndim=3)

    def build(self, input_shape: Shape) -> None:
        """Build the layer for one step."""
        step = (input_shape[0], *input_shape[2:])
        self.layer.check_input(step)
        self.layer.make_weights(step)
        super().build(input_shape)

    def forward(self, inputs: Tensor) -> Tensor:
        """Return `(batch, steps, ...)` for `(batch, steps, ...)`."""
        if inputs.dim() < 3:
            self.check_input(tuple(inputs.shape))
        outputs = self.layer(inputs.flatten(0, 1))
        if not isinstance(outputs, Tensor):
            raise UsageError(f"{self.label}: expected a layer that returns one tensor")
        return outputs.reshape(*inputs.shape[:2], *outputs.shape[1:])
