"""The layer that all others are: built when it sees its first input, exchanged as Keras does."""

import inspect
from collections.abc import Callable, Mapping
from typing import Any, ClassVar

import numpy as np
import torch
from torch import Tensor
from typing_extensions import Unpack

from epochal import activations, regularizers
from epochal.core.config import Configurable, plain
from epochal.core.errors import UsageError, UsageTypeError
from epochal.core.names import snake_case
from epochal.core.trees import flatten
from epochal.layers.inference import output_shape
from epochal.layers.keywords import (
    LayerKeywords,
    Unsupported,
    check_dtype,
    check_keywords,
    shape_from,
)
from epochal.layers.shapes import InputSpec, map_shapes, shapes_of
from epochal.layers.weighted import Weighted

__all__ = ["Layer", "LayerKeywords"]

_MISSING = object()


class Layer(Weighted, Configurable):
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
        super().__init__(trainable=bool(keywords.get("trainable", True)))
        kind = type(self).__name__
        check_keywords(type(self), keywords, self.unsupported)
        self.name = keywords.get("name") or snake_case(kind)
        if "." in self.name:
            raise UsageError(f"{kind}: got name={self.name!r}; a name cannot hold a dot")
        self.dtype = check_dtype(kind, keywords.get("dtype"))
        self.input_shape = shape_from(kind, keywords)
        self.input_spec: InputSpec | None = None
        self.built = False
        self._call_takes_training = "training" in _argument_names(type(self).call)
        self._build_hook = self.register_forward_pre_hook(_build_first, with_kwargs=True)
        self.activity_regularizer = regularizers.get(keywords.get("activity_regularizer"))
        if self.activity_regularizer is not None:
            self.register_forward_hook(_penalize_activity)
        self.adds_losses = _calls_add_loss(type(self))
        if self.adds_losses:
            self.register_forward_pre_hook(_forget_added_loss)

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
        if self._call_takes_training:
            kwargs.setdefault("training", self.training)
        return self.call(*args, **kwargs)

    def call(self, *args: Any, **kwargs: Any) -> Any:
        """Keras' name of `forward`; override one of the two."""
        del args, kwargs
        raise UsageError(f"{type(self).__name__} has no `forward(self, inputs)`; write one")

    def add_loss(self, loss: Tensor | float) -> None:
        """Add a term to the model's loss; call it in `forward`.

        The term counts in training and in evaluation, for the batch at hand. It is that of the
        layer's last call, where one layer is called several times.

        Args:
            loss: One number, connected to what the layer computed.

        Raises:
            UsageError: If it is more than one number, or no method of the layer's class adds it.

        Example:
            >>> class Quiet(Layer):
            ...     def forward(self, inputs):
            ...         self.add_loss(0.01 * inputs.square().mean())
            ...         return inputs
            >>> layer = Quiet()
            >>> _ = layer(torch.tensor([[10.0]]))
            >>> layer.penalty()
            tensor(1.)
        """
        if not self.adds_losses:  # then nobody would ask for it
            raise UsageError(
                f"{self.label}.add_loss: call self.add_loss in a method of the layer's own class"
            )
        term = torch.as_tensor(loss)
        if term.numel() != 1:
            raise UsageError(
                f"{self.label}.add_loss: got a tensor of shape {tuple(term.shape)}; give one "
                "number, such as its .mean()"
            )
        term = term.reshape(())
        self._added_loss = term if self._added_loss is None else self._added_loss + term

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

    def make_weights(self, *shapes: Any) -> None:
        """Call `build` if that is still to be done; it need not call `super().build`.

        Args:
            shapes: What `build` takes.
        """
        if not self.built:
            self.build(*shapes)
        self._finish_build()

    def _build_shapes(self, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> tuple[Any, ...]:
        """Return what `build` is called with for the arguments of the first call."""
        return (shapes_of(args[0] if args else next(iter(kwargs.values()))),)

    def _finish_build(self) -> None:
        """Mark the layer as built: every weight has a home, and the hook is gone."""
        self._settle_weights()
        self.built = True
        self._build_hook.remove()
        if not self._trainable:
            self.trainable = False

    @property
    def makes_weights(self) -> bool:
        """Whether the layer has a `build` of its own."""
        return type(self).build is not Layer.build

    @property
    def has_penalty(self) -> bool:
        """Whether `penalty` can be anything but `None`, as soon as the layer is built."""
        return (
            self.activity_regularizer is not None
            or self.adds_losses
            or any(weight.regularizer is not None for weight in self._weights)
        )

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
        # The last call's penalties are part of a graph, which can be neither copied nor saved.
        return {**self.__dict__, "_activity_penalty": None, "_added_loss": None}


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
    leaves = flatten([*args, *kwargs.values()])
    _check_tensors(layer, leaves)
    shapes = layer._build_shapes(args, kwargs)
    layer.check_input(shapes[0])
    tensors = [leaf for leaf in leaves if isinstance(leaf, Tensor)]
    device = tensors[0].device if tensors else torch.get_default_device()
    # Weights made in inference mode, by a `predict` that comes first, could never be trained.
    with torch.inference_mode(False), device:
        layer.make_weights(*shapes)


def _check_tensors(layer: Layer, leaves: list[Any]) -> None:
    """Say what to do with two kinds of input that Keras' layers take and these do not."""
    if any(isinstance(leaf, Layer) for leaf in leaves):
        raise UsageTypeError(
            f"{layer.label}: it was called on an Input; there is no functional API here: list the "
            "layers in a Sequential, or write a subclass of epochal.Model whose "
            "`forward(self, x)` calls them on tensors"
        )
    if any(isinstance(leaf, np.ndarray) for leaf in leaves):
        raise UsageTypeError(
            f"{layer.label}: got a NumPy array; a layer is called on tensors, as from "
            "torch.as_tensor(x) or epochal.ops.convert_to_tensor(x)"
        )


def _penalize_activity(layer: Layer, args: Any, output: Any) -> None:
    """Note the penalty on a layer's output, averaged over the batch (a forward hook)."""
    del args
    if layer.activity_regularizer is not None:
        outputs = [leaf for leaf in flatten(output) if isinstance(leaf, Tensor)]
        terms = [layer.activity_regularizer(one) / max(1, one.shape[0]) for one in outputs]
        layer._activity_penalty = torch.stack(terms).sum()


def _calls_add_loss(kind: type) -> bool:
    """Return whether a method of a class calls `add_loss`: who adds is asked before training."""
    kinds = [one for one in kind.__mro__ if issubclass(one, Layer) and one is not Layer]
    methods = [member for one in kinds for member in vars(one).values()]
    return any("add_loss" in m.__code__.co_names for m in methods if inspect.isfunction(m))


def _forget_added_loss(layer: Layer, args: Any) -> None:
    """Drop what the call before added, if nobody has asked for it (a forward pre-hook)."""
    del args
    layer._added_loss = None
