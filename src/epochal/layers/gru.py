"""The gated recurrent unit (Cho et al., 2014)."""

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F
from typing_extensions import Unpack

from epochal import activations, constraints, initializers, regularizers
from epochal.layers.keywords import LayerKeywords
from epochal.layers.recurrent import Recurrent, States, SummedBias
from epochal.layers.shapes import Shape

__all__ = ["GRU"]


def _swapped(value: Tensor) -> Tensor:
    """Return the three gates along axis 0 with the first two exchanged.

    Torch has reset, update, candidate; Keras has update, reset, candidate.
    """
    first, second, third = value.chunk(3, 0)
    return torch.cat((second, first, third))


@dataclass(frozen=True)
class GateKernel:
    """Keras' `(in, 3 * units)` and torch's `(3 * units, in)`, gates in another order."""

    def to_keras(self, *tensors: Tensor) -> Tensor:
        """Return Keras' kernel."""
        return _swapped(tensors[0]).T

    def to_torch(self, value: Tensor) -> tuple[Tensor, ...]:
        """Return torch's weight."""
        return (_swapped(value.T),)


@dataclass(frozen=True)
class TwoBiases:
    """Keras' `(2, 3 * units)` and torch's two biases, gates in another order."""

    def to_keras(self, *tensors: Tensor) -> Tensor:
        """Return Keras' bias: that of the inputs, that of the recurrent state."""
        return torch.stack([_swapped(tensor) for tensor in tensors])

    def to_torch(self, value: Tensor) -> tuple[Tensor, ...]:
        """Return torch's two biases."""
        return _swapped(value[0]), _swapped(value[1])


@dataclass(frozen=True)
class OneBias:
    """Keras' `(3 * units,)`, gates in another order; torch's second bias stays zero."""

    def to_keras(self, *tensors: Tensor) -> Tensor:
        """Return Keras' bias."""
        return _swapped(SummedBias().to_keras(*tensors))

    def to_torch(self, value: Tensor) -> tuple[Tensor, ...]:
        """Return the bias and a zero one."""
        return SummedBias().to_torch(_swapped(value))


class GRU(Recurrent):
    """A gated recurrent unit over sequences, `(batch, steps, features)`.

    Its `state_dict` is that of `nn.GRU`.

    Args:
        units: Size of the output and of the state.
        activation: Of the candidate.
        recurrent_activation: Of the gates.
        use_bias: Whether biases are added.
        kernel_initializer: Of the kernel `(features, 3 * units)`: update, reset, candidate.
        recurrent_initializer: Of the recurrent kernel `(units, 3 * units)`.
        bias_initializer: Of the bias `(2, 3 * units)`, or `(3 * units,)` without `reset_after`.
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
        return_state: Whether the last state is returned too.
        go_backwards: Whether the last step comes first, in the output too.
        reset_after: Whether the reset gate acts after the recurrent kernel (fused) or before it
            (the first paper's form, step by step).
        keywords: See `Layer`.

    Raises:
        UsageError: If an argument cannot be used, or the input does not fit.

    Example:
        >>> GRU(8)(torch.zeros(2, 10, 3)).shape
        torch.Size([2, 8])
    """

    gates = 3
    cudnn_mode = "GRU"
    state_count = 1

    def __init__(
        self,
        units: int,
        activation: activations.ActivationLike = "tanh",
        recurrent_activation: activations.ActivationLike = "sigmoid",
        use_bias: bool = True,
        kernel_initializer: initializers.InitializerLike = "glorot_uniform",
        recurrent_initializer: initializers.InitializerLike = "orthogonal",
        bias_initializer: initializers.InitializerLike = "zeros",
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
        reset_after: bool = True,
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
        self.reset_after = reset_after
        if reset_after:
            self.register_parameter("bias_hh_l0", None)
        else:
            self.register_buffer("bias_hh_l0", None)

    def build(self, input_shape: Shape) -> None:
        """Make the kernels and the biases."""
        self.make_kernels(input_shape, GateKernel())
        if self.use_bias:
            wide = 3 * self.units
            self.make_weight(
                "cell/bias",
                ("bias_ih_l0", "bias_hh_l0"),
                (2, wide) if self.reset_after else (wide,),
                arguments="bias",
                layout=TwoBiases() if self.reset_after else OneBias(),
                buffers=() if self.reset_after else ("bias_hh_l0",),
            )
        super().build(input_shape)

    @property
    def _is_fused(self) -> bool:
        return super()._is_fused and self.reset_after

    def run_fused(self, x: Tensor, states: States) -> tuple[Tensor, States]:
        """Return all outputs and the last state, from torch's fused kernel."""
        first = states[0].unsqueeze(0)
        outputs, hidden = torch.gru(
            x, first, self.flat_weights, self.use_bias, 1, 0.0, self.training, False, True
        )
        return outputs, (hidden[0],)

    def step(self, projected: Tensor, states: States, mask: Tensor | float) -> States:
        """Return the output, which is the state, after one step."""
        (hidden,) = states
        gate = self.recurrent_activation
        dropped = hidden * mask
        input_reset, input_update, input_candidate = projected.chunk(3, 1)
        if self.reset_after:
            recurrent = F.linear(dropped, self.weight_hh_l0, self.bias_hh_l0)
            own_reset, own_update, own_candidate = recurrent.chunk(3, 1)
            own_candidate = gate(input_reset + own_reset) * own_candidate
        else:
            reset, update, candidate = self.weight_hh_l0.chunk(3)
            own_reset, own_update = F.linear(dropped, reset), F.linear(dropped, update)
            own_candidate = F.linear(gate(input_reset + own_reset) * dropped, candidate)
        update = gate(input_update + own_update)
        proposal = self.activation(input_candidate + own_candidate)
        return (update * hidden + (1 - update) * proposal,)
