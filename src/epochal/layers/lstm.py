"""The long short-term memory (Hochreiter & Schmidhuber, 1997)."""

import torch
from torch import Tensor
from torch.nn import functional as F
from typing_extensions import Unpack

from epochal import activations, constraints, initializers, regularizers
from epochal.layers.keywords import LayerKeywords
from epochal.layers.recurrent import Recurrent, States, SummedBias
from epochal.layers.shapes import Shape
from epochal.layers.weights import TRANSPOSED

__all__ = ["LSTM"]


class LSTM(Recurrent):
    """A long short-term memory over sequences, `(batch, steps, features)`.

    Its `state_dict` is that of `nn.LSTM`. Torch adds two biases of which one is enough: here, as
    in Keras, `bias_ih_l0` is trained and `bias_hh_l0` is a buffer of zeros that only receives
    values when the weights of an `nn.LSTM` are loaded.

    Args:
        units: Size of the output and of the two states.
        activation: Of the candidate and the output.
        recurrent_activation: Of the gates.
        use_bias: Whether a bias is added.
        kernel_initializer: Of the kernel `(features, 4 * units)`: input, forget, cell, output.
        recurrent_initializer: Of the recurrent kernel `(units, 4 * units)`.
        bias_initializer: Of the bias `(4 * units,)`.
        unit_forget_bias: Whether the forget gate's bias begins at 1 (Jozefowicz et al., 2015).
        kernel_regularizer: Penalty on the kernel.
        recurrent_regularizer: Penalty on the recurrent kernel.
        bias_regularizer: Penalty on the bias.
        kernel_constraint: Kept by the kernel.
        recurrent_constraint: Kept by the recurrent kernel.
        bias_constraint: Kept by the bias.
        dropout: Share of the inputs dropped in training, the same at every step.
        recurrent_dropout: Share of the recurrent state dropped in training; slow.
        seed: Of the dropout; `None` for torch's generator.
        return_sequences: Whether the outputs of all steps are returned.
        return_state: Whether the last output and cell state are returned too.
        go_backwards: Whether the last step comes first, in the output too.
        keywords: See `Layer`.

    Raises:
        UsageError: If an argument cannot be used, or the input does not fit.

    Example:
        >>> LSTM(8, return_sequences=True)(torch.zeros(2, 10, 3)).shape
        torch.Size([2, 10, 8])
    """

    gates = 4
    cudnn_mode = "LSTM"
    state_count = 2

    def __init__(
        self,
        units: int,
        activation: activations.ActivationLike = "tanh",
        recurrent_activation: activations.ActivationLike = "sigmoid",
        use_bias: bool = True,
        kernel_initializer: initializers.InitializerLike = "glorot_uniform",
        recurrent_initializer: initializers.InitializerLike = "orthogonal",
        bias_initializer: initializers.InitializerLike = "zeros",
        unit_forget_bias: bool = True,
        kernel_regularizer: regularizers.RegularizerLike = None,
        recurrent_regularizer: regularizers.RegularizerLike = None,
        bias_regularizer: regularizers.RegularizerLike = None,
        kernel_constraint: constraints.ConstraintLike = None,
        recurrent_constraint: constraints.ConstraintLike = None,
        bias_constraint: constraints.ConstraintLike = None,
        dropout: float = 0.0,
        recurrent_dropout: float = 0.0,
        seed: int | None = None,
        return_sequences: bool = False,
        return_state: bool = False,
        go_backwards: bool = False,
        **keywords: Unpack[LayerKeywords],
    ) -> None:
        super().__init__(
            units,
            activation,
            recurrent_activation,
            use_bias,
            kernel_initializer,
            recurrent_initializer,
            bias_initializer,
            kernel_regularizer,
            recurrent_regularizer,
            bias_regularizer,
            kernel_constraint,
            recurrent_constraint,
            bias_constraint,
            dropout,
            recurrent_dropout,
            seed,
            return_sequences,
            return_state,
            go_backwards,
            **keywords,
        )
        self.unit_forget_bias = unit_forget_bias
        self.register_buffer("bias_hh_l0", None)

    def build(self, input_shape: Shape) -> None:
        """Make the kernels and the bias."""
        self.make_kernels(input_shape, TRANSPOSED)
        if self.use_bias:
            self.make_weight(
                "cell/bias",
                ("bias_ih_l0", "bias_hh_l0"),
                (4 * self.units,),
                arguments="bias",
                layout=SummedBias(),
                buffers=("bias_hh_l0",),
            )
            if self.unit_forget_bias and self.bias_ih_l0 is not None:
                with torch.no_grad():
                    self.bias_ih_l0[self.units : 2 * self.units] = 1.0
        super().build(input_shape)

    def run_fused(self, x: Tensor, states: States) -> tuple[Tensor, States]:
        """Return all outputs and the last states, from torch's fused kernel."""
        first = [state.unsqueeze(0) for state in states]
        outputs, hidden, cell = torch.lstm(
            x, first, self.flat_weights, self.use_bias, 1, 0.0, self.training, False, True
        )
        return outputs, (hidden[0], cell[0])

    def step(self, projected: Tensor, states: States, mask: Tensor | float) -> States:
        """Return the output and the cell state after one step."""
        hidden, cell = states
        gates = projected + F.linear(hidden * mask, self.weight_hh_l0, self.bias_hh_l0)
        let_in, keep, candidate, let_out = gates.chunk(4, 1)
        gate, bend = self.recurrent_activation, self.activation
        cell = gate(keep) * cell + gate(let_in) * bend(candidate)
        return gate(let_out) * bend(cell), cell
