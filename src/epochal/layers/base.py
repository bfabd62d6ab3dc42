"""The layer that all others are: built when it sees its first input, exchanged as Keras does."""

import dataclasses
import inspect
from collections.abc import Callable, Mapping, Sequence
from typing import Any, ClassVar, Never

import numpy as np
import torch
from torch import Tensor, nn
from typing_extensions import Unpack

from epochal import activations, constraints, initializers, regularizers
from epochal.core.config import Configurable, plain
from epochal.core.errors import UsageError, reject_unknown
from epochal.core.names import snake_case, unique_name
from epochal.core.trees import flatten
from epochal.layers import weights as exchange
from epochal.layers.inference import output_shape
from epochal.layers.keywords import (
    LayerKeywords,
    Unsupported,
    check_dtype,
    check_keywords,
    shape_from,
)
from epochal.layers.shapes import InputSpec, map_shapes, shapes_of
from epochal.layers.weights import AS_IS, Layout, Weight

__all__ = ["Layer", "LayerKeywords"]

_MISSING = object()


class Layer(nn.Module, exchange.HasWeights, Configurable):
    """An `nn.Module` that makes its weights when it sees its first input.

    Use it to write a layer of your own: make weights in `build` with `add_weight`, compute in
    `forward` (or Keras' `call`, which may ask for `training`). Keep every constructor argument in
    an attribute of the same name, and the layer can be saved.

    A layer that is not built yet carries a forward pre-hook that builds it and then is gone, so a
    built layer costs no more than the module it is.

    Args:
        keywords: See `SharedKeywords`: `name`, `trainable`, `dtype`, `activity_regularizer`,
            `input_shape` (or `input_dim`, `batch_input_shape`).

    Raises:
        UsageTypeError: For an argument that the layer does not have.

    Example:
        >>> class Scale(Layer):
        ...     def build(self, input_shape):
        ...         self.factor = self.add_weight((input_shape[-1],), "ones", name="factor")
        ...         super().build(input_shape)
        ...     def forward(self, inputs):
        ...         return inputs * self.factor
        >>> Scale()(torch.tensor([[1.0, 2.0]])).tolist()
        [[1.0, 2.0]]
    """

    unsupported: ClassVar[Unsupported] = {}
    """Keras' arguments that the layer does not do: what leaves each unused, and the reason."""

    def __init__(self, **keywords: Unpack[LayerKeywords]) -> None:
        super().__init__()
        kind = type(self).__name__
        check_keywords(type(self), keywords, self.unsupported)
        self.name = keywords.get("name") or snake_case(kind)
        if "." in self.name:
            raise UsageError(f"{kind}: got name={self.name!r}; a name cannot hold a dot")
        self.dtype = check_dtype(kind, keywords.get("dtype"))
        self.input_shape = shape_from(kind, keywords)
        self.input_spec: InputSpec | None = None
        self.built = False
        self._trainable = bool(keywords.get("trainable", True))
        self._weights: list[Weight] = []
        self._unassigned: list[tuple[Weight, nn.Parameter]] = []
        self._build_hook = self.register_forward_pre_hook(_build_first, with_kwargs=True)
        self.activity_regularizer = regularizers.get(keywords.get("activity_regularizer"))
        self._activity_penalty: Tensor | None = None
        if self.activity_regularizer is not None:
            self.register_forward_hook(_penalize_activity)

    # What a layer of your own overrides.

    def build(self, input_shape: Any) -> None:
        """Make the weights; override it, and end with `super().build(input_shape)`.

        Args:
            input_shape: The shape of the first input, batch axis included; a structure of shapes
                if that input is one of tensors.
        """
        del input_shape
        self._finish_build()

    def forward(self, *args: Any, **kwargs: Any) -> Any:
        """Return the layer's output; override it, or Keras' `call`."""
        if "training" in _argument_names(self.call):
            kwargs.setdefault("training", self.training)
        return self.call(*args, **kwargs)

    def call(self, *args: Any, **kwargs: Any) -> Any:
        """Keras' name of `forward`; override one of the two."""
        del args, kwargs
        raise UsageError(f"{type(self).__name__} has no `forward(self, inputs)`; write one")

    # Building.

    def check_input(self, shape: Any) -> None:
        """Compare an input's shape with what the layer takes; called where something went wrong.

        Raises:
            UsageError: Naming the layer, the shape it got and the one it expects.
        """
        if self.input_spec is None:
            return

        def check(one: tuple[int | None, ...]) -> None:
            expected = self.input_spec.problem(one) if self.input_spec else None
            if expected:
                raise UsageError(f"{self.label}: got input of shape {one}; expected {expected}")

        map_shapes(check, shape)

    def check_tensor(self, inputs: Tensor) -> None:
        """Say what is wrong with an input that torch refused, if that can be told from it.

        Raises:
            UsageError: If its shape or its dtype is not what the layer takes.
        """
        self.check_input(tuple(inputs.shape))
        weight = next(self.parameters(), inputs)
        if inputs.dtype != weight.dtype and not torch.is_autocast_enabled(inputs.device.type):
            raise UsageError(
                f"{self.label}: got {inputs.dtype} values; expected {weight.dtype}, the dtype of "
                "its weights; convert one to the other"
            )

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
        reject_unknown(Layer.add_weight, unknown)
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

    def _build_shapes(self, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> tuple[Any, ...]:
        """Return what `build` is called with for the arguments of the first call."""
        return (shapes_of(args[0] if args else next(iter(kwargs.values()))),)

    def _finish_build(self) -> None:
        """Mark the layer as built: every weight has a home, and the hook is gone."""
        for weight, parameter in self._unassigned:
            homes = [key for key, own in self._parameters.items() if own is parameter]
            if not homes:
                homes = [weight.name]
                self.register_parameter(weight.name, parameter)
            place = self._weights.index(weight)
            self._weights[place] = dataclasses.replace(weight, attributes=(homes[0],))
        self._unassigned.clear()
        self.built = True
        self._build_hook.remove()
        if not self._trainable:
            self.trainable = False

    # Weights.

    def keras_weights(self) -> list[Weight]:
        """Return the records of the layer's own weights in Keras' order: trained ones first."""
        return sorted(self._weights, key=lambda weight: not weight.trainable)

    def get_weights(self) -> list[np.ndarray[Any, Any]]:
        """Return copies of all weights, in Keras' order and layout."""
        return exchange.get_arrays(self)

    def set_weights(self, weights: Sequence[Any]) -> None:
        """Write all weights, in Keras' order and layout.

        Raises:
            UsageError: If their number or a shape is wrong; then nothing is changed.
        """
        self._require_built("set_weights")
        exchange.set_arrays(self, weights, f"{self.label}.set_weights")

    def count_params(self) -> int:
        """Return how many numbers the weights hold, as Keras counts them."""
        self._require_built("count_params")
        return sum(weight.value.numel() for weight in exchange.named_weights(self))

    def _require_built(self, call: str) -> None:
        if not self.built and type(self).build is not Layer.build:
            raise UsageError(
                f"{self.label}.{call}: the layer has no weights yet; call it on an input once, or "
                "`build(input_shape)`"
            )

    @property
    def trainable(self) -> bool:
        """Whether the weights are trained; set it to `False` to freeze the layer."""
        return self._trainable

    @trainable.setter
    def trainable(self, value: bool) -> None:
        self._trainable = bool(value)
        fixed = {
            key for weight in self._weights if not weight.trainable for key in weight.attributes
        }
        for key, parameter in self._parameters.items():
            if parameter is not None and key not in fixed:
                parameter.requires_grad_(self._trainable)
        for child in self.children():
            if isinstance(child, Layer):
                child.trainable = value
            else:
                child.requires_grad_(self._trainable)

    # Penalties and constraints, for the training step.

    def penalty(self) -> Tensor | None:
        """Return what the layer's own regularizers add to the loss, or `None` without any.

        Sub-layers speak for themselves. The penalty on the output is that of the last call, and is
        handed out once.
        """
        terms = [
            weight.regularizer(weight.value(self))
            for weight in self._weights
            if weight.regularizer is not None
        ]
        if self._activity_penalty is not None:
            terms.append(self._activity_penalty)
            self._activity_penalty = None
        return torch.stack([term.reshape(()) for term in terms]).sum() if terms else None

    @property
    def has_penalty(self) -> bool:
        """Whether `penalty` can be anything but `None`, as soon as the layer is built."""
        return self.activity_regularizer is not None or any(
            weight.regularizer is not None for weight in self._weights
        )

    @property
    def has_constraints(self) -> bool:
        """Whether `apply_constraints` does anything."""
        return any(weight.constraint is not None for weight in self._weights)

    def apply_constraints(self) -> None:
        """Bring the layer's own weights back to what their constraints allow."""
        for weight in self._weights:
            weight.constrain(self)

    # Shapes.

    def compute_output_shape(self, input_shape: Any) -> Any:
        """Return the output's shape for an input's, batch axis included; `None` stays `None`.

        Nothing of the layer changes and no random number is used: a copy of it without values runs
        on inputs without values.
        """
        return output_shape(self, input_shape, getattr(torch, self.dtype))

    # Saving.

    def get_config(self) -> dict[str, Any]:
        """Return the constructor's arguments as JSON can hold them.

        Raises:
            UsageError: If an argument is a function or module that has no name, or was not kept.
        """
        config: dict[str, Any] = {
            "name": self.name,
            "trainable": self._trainable,
            "dtype": self.dtype,
        }
        if self.activity_regularizer is not None:
            config["activity_regularizer"] = plain_argument(self.activity_regularizer)
        if self.input_shape is not None:
            config["input_shape"] = list(self.input_shape)
        for name in _argument_names(type(self).__init__)[1:]:
            value = getattr(self, name, _MISSING)
            if value is not _MISSING:
                config[name] = plain_argument(value)
            elif type(self).get_config is Layer.get_config:
                raise UsageError(
                    f"{self.label}: the argument {name!r} of its constructor was not kept; write "
                    f"`self.{name} = {name}` there, or override `get_config`"
                )
        return config

    def __getstate__(self) -> dict[str, Any]:
        # The last output's penalty is part of a graph, which can be neither copied nor saved.
        return {**self.__dict__, "_activity_penalty": None}


def plain_argument(value: Any) -> Any:
    """Return one argument as JSON can hold it: objects as configs, known functions by name."""
    if callable(value) and not isinstance(value, Configurable):
        return activations.serialize(value)
    return plain(value)


def _argument_names(function: Callable[..., Any]) -> list[str]:
    parameters = inspect.signature(function).parameters.values()
    kinds = (inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY)
    return [p.name for p in parameters if p.kind in kinds]


def _build_first(layer: Layer, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> None:
    """Build a layer from the arguments of its first call (a forward pre-hook)."""
    shapes = layer._build_shapes(args, kwargs)
    layer.check_input(shapes[0])
    tensors = [leaf for leaf in flatten([*args, *kwargs.values()]) if isinstance(leaf, Tensor)]
    device = tensors[0].device if tensors else torch.get_default_device()
    # Weights made in inference mode, by a `predict` that comes first, could never be trained.
    with torch.inference_mode(False), device:
        layer.build(*shapes)
    layer._finish_build()


def _penalize_activity(layer: Layer, args: Any, output: Any) -> None:
    """Note the penalty on a layer's output, averaged over the batch (a forward hook)."""
    del args
    if layer.activity_regularizer is not None:
        outputs = [leaf for leaf in flatten(output) if isinstance(leaf, Tensor)]
        terms = [layer.activity_regularizer(one) / max(1, one.shape[0]) for one in outputs]
        layer._activity_penalty = torch.stack(terms).sum()
