"""What recurrent layers share: their arguments, their directions, what they return."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import ClassVar, Self, TypeAlias

import torch
from torch import Tensor
from torch.backends.cudnn.rnn import get_cudnn_mode
from torch.nn import functional as F
from typing_extensions import Unpack

from epochal import activations, constraints, initializers, regularizers
from epochal.core.errors import UsageError
from epochal.layers.keywords import LayerKeywords, Unsupported
from epochal.layers.registry import get_activation
from epochal.layers.regularization import SeededLayer
from epochal.layers.shapes import InputSpec, Shape, check_count, check_fraction, known
from epochal.layers.weights import Layout

__all__ = ["Recurrent", "SummedBias"]

States: TypeAlias = tuple[Tensor, ...]
"""What a recurrent layer remembers, each `(batch, units)`."""


@dataclass(frozen=True)
class SummedBias:
    """Keras' one bias, which torch has twice: the second stays zero."""

    def to_keras(self, *tensors: Tensor) -> Tensor:
        """Return the sum, so that a bias loaded from torch's own layer counts in full."""
        return tensors[0] + tensors[1]

    def to_torch(self, value: Tensor) -> tuple[Tensor, ...]:
        """Return the bias and a zero one."""
        return value, torch.zeros_like(value)


class Recurrent(SeededLayer):
    """Base of `LSTM` and `GRU`.

    Their weights have the names and the layout of `nn.LSTM` and `nn.GRU`, whose fused kernels do
    the work; other activations and recurrent dropout go step by step, which is much slower.
    """

    gates: ClassVar[int]
    cudnn_mode: ClassVar[str]
    unsupported: ClassVar[Unsupported] = {
        "stateful": (False, "pass the last states as `initial_state`"),
        "unroll": (False, "it would change nothing here; leave it out"),
        "use_cudnn": ("auto", "torch decides; leave it out"),
        "zero_output_for_mask": (False, "masks do not travel between layers"),
    }
    weight_ih_l0: Tensor
    weight_hh_l0: Tensor
    bias_ih_l0: Tensor | None
    bias_hh_l0: Tensor | None

    def __init__(
        self,
        units: int,
        activation: activations.ActivationLike,
        recurrent_activation: activations.ActivationLike,
        use_bias: bool,
        kernel_initializer: initializers.InitializerLike,
        recurrent_initializer: initializers.InitializerLike,
        bias_initializer: initializers.InitializerLike,
        kernel_regularizer: regularizers.RegularizerLike,
        recurrent_regularizer: regularizers.RegularizerLike,
        bias_regularizer: regularizers.RegularizerLike,
        kernel_constraint: constraints.ConstraintLike,
        recurrent_constraint: constraints.ConstraintLike,
        bias_constraint: constraints.ConstraintLike,
        dropout: float,
        recurrent_dropout: float,
        seed: int | None,
        return_sequences: bool,
        return_state: bool,
        go_backwards: bool,
        **keywords: Unpack[LayerKeywords],
    ) -> None:
        super().__init__(seed, **keywords)
        self.units = check_count(units, "units", self.label)
        self.activation = get_activation(activation)
        self.recurrent_activation = get_activation(recurrent_activation)
        self.use_bias = use_bias
        self.kernel_initializer = initializers.get(kernel_initializer)
        self.recurrent_initializer = initializers.get(recurrent_initializer)
        self.bias_initializer = initializers.get(bias_initializer)
        self.kernel_regularizer = regularizers.get(kernel_regularizer)
        self.recurrent_regularizer = regularizers.get(recurrent_regularizer)
        self.bias_regularizer = regularizers.get(bias_regularizer)
        self.kernel_constraint = constraints.get(kernel_constraint)
        self.recurrent_constraint = constraints.get(recurrent_constraint)
        self.bias_constraint = constraints.get(bias_constraint)
        self.dropout = check_fraction(dropout, "dropout", self.label)
        self.recurrent_dropout = check_fraction(recurrent_dropout, "recurrent_dropout", self.label)
        self.return_sequences, self.return_state = return_sequences, return_state
        self.go_backwards = go_backwards
        self.input_spec = InputSpec(ndim=3)
        for name in ("weight_ih_l0", "weight_hh_l0", "bias_ih_l0"):
            self.register_parameter(name, None)

    def make_kernels(self, input_shape: Shape, layout: Layout) -> None:
        """Make the two kernels, and expect as many features from now on."""
        size = known(input_shape, -1, self.label)
        self.input_spec = InputSpec(ndim=3, axes={-1: size})
        wide = self.gates * self.units
        self.make_weight(
            "cell/kernel", "weight_ih_l0", (size, wide), arguments="kernel", layout=layout
        )
        self.make_weight(
            "cell/recurrent_kernel",
            "weight_hh_l0",
            (self.units, wide),
            arguments="recurrent",
            layout=layout,
        )

    @property
    def flat_weights(self) -> list[Tensor]:
        """The weights as torch's fused kernels take them."""
        biases = [b for b in (self.bias_ih_l0, self.bias_hh_l0) if b is not None]
        return [self.weight_ih_l0, self.weight_hh_l0, *biases]

    def _apply(self, fn: Callable[[Tensor], Tensor], recurse: bool = True) -> Self:
        """Move or convert the weights, and lay them out for cuDNN again."""
        super()._apply(fn, recurse)  # type: ignore[no-untyped-call]  # untyped in torch
        self._join_weights()
        return self

    def _finish_build(self) -> None:
        super()._finish_build()
        self._join_weights()

    @torch.no_grad()
    def _join_weights(self) -> None:
        """Put the weights into one block; otherwise cuDNN copies them at each call and warns."""
        if not self.built or not all(map(torch.backends.cudnn.is_acceptable, self.flat_weights)):
            return
        weights = self.flat_weights
        mode = get_cudnn_mode(self.cudnn_mode)  # type: ignore[no-untyped-call]  # untyped in torch
        with torch.cuda.device(self.weight_ih_l0.device):
            torch._cudnn_rnn_flatten_weight(
                weights,
                len(weights),
                self.weight_ih_l0.shape[1],
                mode,
                self.units,
                0,  # no projection
                1,  # layer
                True,  # batch first
                False,  # one direction
            )

    def forward(
        self,
        inputs: Tensor,
        initial_state: Tensor | Sequence[Tensor] | None = None,
        training: bool | None = None,
    ) -> Tensor | list[Tensor]:
        """Return the last output, or all of them, and the last states if asked for.

        Args:
            inputs: Of shape `(batch, steps, features)`.
            initial_state: One `(batch, units)` for each state; zeros if not given.
            training: Whether dropout acts; the layer's mode if not given.

        Returns:
            `(batch, units)`, or `(batch, steps, units)` with `return_sequences`; a list of that
            and the states with `return_state`.
        """
        training = self.training if training is None else training
        # Torch's fused CPU kernel does not look at these sizes and would read past the end.
        if inputs.dim() != 3 or inputs.shape[2] != self.weight_ih_l0.shape[1]:
            self.check_input(tuple(inputs.shape))
        states = self._first_states(inputs, initial_state)
        x = inputs.flip(1) if self.go_backwards else inputs
        if training and self.dropout:
            # One mask for all steps (Gal & Ghahramani, 2016), as Keras draws it.
            x = x * self.keep_mask(x, (x.shape[0], 1, x.shape[2]), self.dropout)
        try:
            if self._is_fused and not (training and self.recurrent_dropout):
                outputs, states = self.run_fused(x, states)
            else:
                outputs, states = self._run_steps(x, states, training)
        except RuntimeError:
            self.check_tensor(inputs)
            raise
        result = outputs if self.return_sequences else outputs[:, -1]
        return [result, *states] if self.return_state else result

    def _first_states(self, inputs: Tensor, given: Tensor | Sequence[Tensor] | None) -> States:
        count = self.state_count
        if given is None:
            return (inputs.new_zeros(inputs.shape[0], self.units),) * count
        states = (given,) if isinstance(given, Tensor) else tuple(given)
        shape = (inputs.shape[0], self.units)
        if len(states) != count or any(tuple(state.shape) != shape for state in states):
            raise UsageError(
                f"{self.label}: got initial_state of shapes {[tuple(s.shape) for s in states]}; "
                f"expected {count} of shape {shape}"
            )
        return states

    @property
    def _is_fused(self) -> bool:
        return (
            self.activation is activations.tanh and self.recurrent_activation is activations.sigmoid
        )

    def _run_steps(self, x: Tensor, states: States, training: bool) -> tuple[Tensor, States]:
        projected = F.linear(x, self.weight_ih_l0, self.bias_ih_l0)
        mask: Tensor | float = 1.0
        if training and self.recurrent_dropout:
            mask = self.keep_mask(states[0], states[0].shape, self.recurrent_dropout)
        outputs = []
        for step in projected.unbind(1):
            states = self.step(step, states, mask)
            outputs.append(states[0])
        return torch.stack(outputs, 1), states

    # What the two layers say for themselves.

    state_count: ClassVar[int]

    def run_fused(self, x: Tensor, states: States) -> tuple[Tensor, States]:
        """Return all outputs and the last states, from torch's fused kernel."""
        raise NotImplementedError

    def step(self, projected: Tensor, states: States, mask: Tensor | float) -> States:
        """Return the states after one step, the output first.

        Args:
            projected: The step's input times the kernel, plus the bias.
            states: Those before the step.
            mask: Multiplies what comes from the step before.
        """
        raise NotImplementedError
