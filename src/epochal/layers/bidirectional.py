"""A recurrent layer run over a sequence from both ends."""

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import torch
from torch import Tensor
from typing_extensions import Unpack

from epochal.core.errors import UsageError, UsageTypeError
from epochal.layers.base import Layer
from epochal.layers.keywords import LayerKeywords, Unsupported
from epochal.layers.recurrent import Recurrent
from epochal.layers.registry import get
from epochal.layers.shapes import InputSpec, Shape

__all__ = ["Bidirectional"]


class Bidirectional(Layer):
    """Runs one recurrent layer forwards and another backwards, and merges what they return.

    Args:
        layer: An `LSTM` or `GRU`; both directions are made anew from its arguments.
        merge_mode: `"concat"`, `"sum"`, `"mul"`, `"ave"`, or `None` for a list of both outputs.
        backward_layer: The layer for the other direction; the same as `layer` if not given.
        keywords: See `Layer`.

    Raises:
        UsageError: If the layers cannot be combined.

    Example:
        >>> from epochal.layers import LSTM
        >>> Bidirectional(LSTM(8))(torch.zeros(2, 10, 3)).shape
        torch.Size([2, 16])
    """

    unsupported: ClassVar[Unsupported] = {"weights": (None, "call set_weights after the build")}
    forward_layer: Recurrent
    backward_layer: Recurrent

    def __init__(
        self,
        layer: Recurrent | Mapping[str, Any],
        merge_mode: str | None = "concat",
        backward_layer: Recurrent | Mapping[str, Any] | None = None,
        **keywords: Unpack[LayerKeywords],
    ) -> None:
        super().__init__(**keywords)
        modes = ("concat", "sum", "mul", "ave", None)
        if merge_mode not in modes:
            raise UsageError(
                f"{self.label}: got merge_mode={merge_mode!r}; expected one of {modes}"
            )
        self.merge_mode = merge_mode
        self.forward_layer = self._made("forward", layer)
        if backward_layer is None:
            backwards = not self.forward_layer.go_backwards
            self.backward_layer = self._made("backward", layer, go_backwards=backwards)
        else:
            self.backward_layer = self._made("backward", backward_layer)
        first, second = self.forward_layer, self.backward_layer
        for name in ("return_sequences", "return_state"):
            if getattr(first, name) != getattr(second, name):
                raise UsageError(f"{self.label}: expected the same {name} in both layers")
        if first.go_backwards == second.go_backwards:
            raise UsageError(f"{self.label}: expected go_backwards in one of the two layers")
        self.input_spec = InputSpec(ndim=3)

    def _made(self, prefix: str, like: Any, **changes: Any) -> Recurrent:
        layer = get(like)
        if not isinstance(layer, Recurrent):
            raise UsageTypeError(f"{self.label}: got {layer!r}; expected an LSTM or a GRU")
        config = {**layer.get_config(), **changes}
        config["name"] = f"{prefix}_{layer.name.removeprefix(f'{prefix}_')}"
        config["trainable"] = layer.trainable and self.trainable
        return type(layer).from_config(config)

    @property
    def layer(self) -> Recurrent:
        """The layer of the forward direction."""
        return self.forward_layer

    def build(self, input_shape: Shape) -> None:
        """Build both layers."""
        self.forward_layer.build(input_shape)
        self.backward_layer.build(input_shape)
        super().build(input_shape)

    def forward(
        self,
        inputs: Tensor,
        initial_state: Sequence[Tensor] | None = None,
        training: bool | None = None,
    ) -> Tensor | list[Tensor]:
        """Return the merged outputs, and the last states of both layers if they return them.

        Args:
            inputs: Of shape `(batch, steps, features)`.
            initial_state: Those of the forward layer, then those of the backward layer.
            training: Whether dropout acts; the layer's mode if not given.
        """
        half = self.forward_layer.state_count
        given = None if initial_state is None else tuple(initial_state)
        first = self.forward_layer(inputs, given and given[:half], training)
        second = self.backward_layer(inputs, given and given[half:], training)
        states: list[Tensor] = []
        if self.forward_layer.return_state:
            states = [*first[1:], *second[1:]]
            first, second = first[0], second[0]
        if self.forward_layer.return_sequences:
            second = second.flip(1)
        merged = self._merged(first, second)
        if states:
            return [*merged, *states] if isinstance(merged, list) else [merged, *states]
        return merged

    def _merged(self, first: Tensor, second: Tensor) -> Tensor | list[Tensor]:
        if self.merge_mode == "concat":
            return torch.cat((first, second), -1)
        if self.merge_mode == "sum":
            return first + second
        if self.merge_mode == "mul":
            return first * second
        if self.merge_mode == "ave":
            return (first + second) / 2
        return [first, second]
