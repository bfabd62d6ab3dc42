"""What a module with recorded weights does: make, exchange, penalise and constrain them."""

import dataclasses
from collections.abc import Callable, Sequence
from typing import Any, Never

import numpy as np
import torch
from torch import Tensor, nn

from epochal import constraints, initializers, regularizers
from epochal.core.errors import UsageError, reject_unknown
from epochal.core.names import snake_case, unique_name
from epochal.layers.freezing import Freezable
from epochal.layers.keywords import check_dtype
from epochal.layers.weights import (
    AS_IS,
    HasWeights,
    Layout,
    Weight,
    get_arrays,
    named_weights,
    set_arrays,
)

__all__ = ["Weighted"]


class Weighted(Freezable, HasWeights):
    """The half of `Layer` that deals with weights.

    Attributes:
        name: Of the layer.
        dtype: Of new weights.
        built: Whether all weights are made.
    """

    name: str
    dtype: str
    built: bool

    def __init__(self, trainable: bool) -> None:
        super().__init__()
        self._trainable = trainable
        self._weights: list[Weight] = []
        self._unassigned: list[tuple[Weight, nn.Parameter]] = []
        self._activity_penalty: Tensor | None = None
        self._added_loss: Tensor | None = None

    @property
    def label(self) -> str:
        """How errors name the layer: its class, and its name where that says more."""
        kind = type(self).__name__
        return kind if self.name == snake_case(kind) else f"{kind} {self.name!r}"

    def add_weight(
        self,
        shape: Sequence[int] = (),
        initializer: initializers.InitializerLike = None,
        dtype: str | torch.dtype | None = None,
        trainable: bool = True,
        regularizer: regularizers.RegularizerLike = None,
        constraint: constraints.ConstraintLike = None,
        name: str | None = None,
        **unknown: Never,
    ) -> nn.Parameter:
        """Return a new weight of the layer; keep it in an attribute.

        Args:
            shape: Of the weight.
            initializer: Of its values; Glorot uniform if not given.
            dtype: The layer's, if not given.
            trainable: `False` for what is not learnt by gradients.
            regularizer: A penalty on it, added to the loss.
            constraint: What it must satisfy after every update.
            name: Keras' name; a free one if not given.
        """
        reject_unknown(Weighted.add_weight, unknown)
        taken = {weight.name for weight in self._weights}
        if name is not None and name in taken and not self.built:
            raise UsageError(
                f"{self.label}: a second weight named {name!r}; give each its own name, and end "
                "`build` with `super().build(input_shape)` so that it runs only once"
            )
        weight = Weight(
            name or unique_name("weight", taken.__contains__),
            (),
            AS_IS,
            trainable,
            regularizers.get(regularizer),
            constraints.get(constraint),
        )
        kind = getattr(torch, check_dtype(self.label, dtype if dtype is not None else self.dtype))
        first = initializers.get(initializer or ("glorot_uniform" if shape else "zeros"))
        values = self._draw(first, shape, kind)
        parameter = nn.Parameter(values, requires_grad=trainable and kind.is_floating_point)
        self._weights.append(weight)
        self._unassigned.append((weight, parameter))
        return parameter

    def make_weight(
        self,
        name: str,
        attribute: str | tuple[str, ...],
        shape: Sequence[int],
        *,
        arguments: str | None = None,
        layout: Layout = AS_IS,
        trainable: bool = True,
        buffers: Sequence[str] = (),
        fan_shape: Sequence[int] | None = None,
        memory_format: torch.memory_format = torch.contiguous_format,
    ) -> None:
        """Make a weight that is kept in torch's layout; epochal's own layers make theirs so.

        Its initializer, regularizer and constraint are the layer's attributes of those names, as
        in `kernel_initializer`, `kernel_regularizer`, `kernel_constraint`.

        Args:
            name: Keras' name of it.
            attribute: Where it is kept; several if Keras' one weight is several of torch's.
            shape: In Keras' layout.
            arguments: The beginning of those three names, if it is not `name`.
            layout: Between Keras' and torch's.
            trainable: `False` makes every attribute a buffer.
            buffers: The attributes that are buffers although the weight is trained.
            fan_shape: The shape to draw in, where Keras draws in another than it keeps.
            memory_format: Of the tensors, so that kernels need not reorder them at each call.
        """
        if self.built:
            raise UsageError(f"{self.label}: it is built already; make a new layer")
        attributes = (attribute,) if isinstance(attribute, str) else attribute
        prefix = arguments or name
        initializer = getattr(self, f"{prefix}_initializer")
        values = self._draw(initializer, fan_shape or shape, getattr(torch, self.dtype))
        parts = layout.to_torch(values.reshape(tuple(shape)))
        for key, part in zip(attributes, parts, strict=True):
            own = part.clone(memory_format=memory_format)
            if trainable and key not in buffers:
                self.register_parameter(key, nn.Parameter(own))
            else:
                self.register_buffer(key, own)
        regularizer = getattr(self, f"{prefix}_regularizer", None)
        constraint = getattr(self, f"{prefix}_constraint", None)
        self._weights.append(Weight(name, attributes, layout, trainable, regularizer, constraint))

    def _draw(
        self, initializer: Callable[..., Any] | None, shape: Sequence[int], dtype: torch.dtype
    ) -> Tensor:
        """Return first values on the device that the layer is being built on."""
        first = initializer if initializer is not None else initializers.Zeros()
        return initializers.draw(first, shape, dtype, torch.get_default_device())

    def _settle_weights(self) -> None:
        """Find the attribute that holds each weight of `add_weight`, or give it one."""
        for weight, parameter in self._unassigned:
            homes = [key for key, own in self._parameters.items() if own is parameter]
            if not homes:
                homes = [weight.name]
                self.register_parameter(weight.name, parameter)
            place = self._weights.index(weight)
            self._weights[place] = dataclasses.replace(weight, attributes=(homes[0],))
        self._unassigned.clear()

    # Exchange.

    def keras_weights(self) -> list[Weight]:
        """Return the records of the layer's own weights in Keras' order: trained ones first."""
        return sorted(self._weights, key=lambda weight: not weight.trainable)

    def get_weights(self) -> list[np.ndarray[Any, Any]]:
        """Return copies of all weights, in Keras' order and layout."""
        return get_arrays(self)

    def set_weights(self, weights: Sequence[Any]) -> None:
        """Write all weights, in Keras' order and layout.

        Raises:
            UsageError: If their number or a shape is wrong; then nothing is changed.
        """
        self._require_built("set_weights")
        set_arrays(self, weights, f"{self.label}.set_weights")

    def count_params(self) -> int:
        """Return how many numbers the weights hold, as Keras counts them."""
        self._require_built("count_params")
        return sum(weight.value.numel() for weight in named_weights(self))

    @property
    def makes_weights(self) -> bool:
        """Whether there is anything to build."""
        return True

    def _require_built(self, call: str) -> None:
        if not self.built and self.makes_weights:
            raise UsageError(
                f"{self.label}.{call}: the layer has no weights yet; call it on an input once, or "
                "`build(input_shape)`"
            )

    # Penalties and constraints, for the training step.

    adds_losses: bool = False
    """Whether a method of the layer calls `add_loss`."""

    def penalty(self) -> Tensor | None:
        """Return what the layer's own regularizers add to the loss, or `None` without any.

        Sub-layers speak for themselves. The penalty on the output, and what `add_loss` added, are
        those of the last call, and are handed out once.
        """
        terms = [
            weight.regularizer(weight.value(self))
            for weight in self._weights
            if weight.regularizer is not None
        ]
        if self._activity_penalty is not None:
            terms.append(self._activity_penalty)
            self._activity_penalty = None
        if self._added_loss is not None:
            terms.append(self._added_loss)
            self._added_loss = None
        if not terms and self.adds_losses:  # not in this call
            first = next(self.parameters(), None)
            terms.append(torch.zeros((), device=None if first is None else first.device))
        return torch.stack([term.reshape(()) for term in terms]).sum() if terms else None

    @property
    def has_constraints(self) -> bool:
        """Whether `apply_constraints` does anything."""
        return any(weight.constraint is not None for weight in self._weights)

    def apply_constraints(self) -> None:
        """Bring the layer's own weights back to what their constraints allow."""
        for weight in self._weights:
            weight.constrain(self)
