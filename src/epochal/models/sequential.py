"""A stack of layers, each fed what the one before it returned."""

from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple, Never, Self

import torch
from torch import Tensor, nn

from epochal import layers as keras_layers
from epochal.core.errors import UsageError, UsageTypeError, reject_unknown
from epochal.core.names import snake_case, unique_name
from epochal.layers import Embedding, InputLayer, Layer
from epochal.layers.inference import output_shape
from epochal.models.calling import as_tensors, in_mode
from epochal.models.classes import described_class, is_model_class, model_class
from epochal.models.layered import LayeredModel

__all__ = ["Sequential"]


class _Input(NamedTuple):
    """What is known of the input; no layer, so that no step passes through one."""

    batch_shape: tuple[int | None, ...]
    dtype: str
    name: str | None = None


@described_class
class Sequential(LayeredModel):
    """Layers in a row: Keras-style layers and plain `torch.nn` modules, freely mixed.

    With an input shape (`Input(...)` first, or `input_shape=` / `input_dim=` on the first layer)
    the weights are made at once; else by the first batch. Weights are named by their layer, and
    layers of one name are numbered: `dense.weight`, `dense_1.weight`.

    Args:
        layers: The layers, or nothing, to `add` them one by one.
        name: What the model is called.

    Raises:
        UsageTypeError: If anything in it is no layer.

    Example:
        >>> from epochal.layers import Dense
        >>> model = Sequential([Dense(100, activation="relu", input_dim=2), Dense(1)])
        >>> model.count_params(), list(model.state_dict())[0]
        (401, 'dense.weight')
    """

    def __init__(
        self,
        layers: Iterable[nn.Module] | None = None,
        name: str | None = None,
        **unknown: Never,
    ) -> None:
        reject_unknown(Sequential.__init__, unknown)
        super().__init__(name=name)
        self._input: _Input | None = None
        self._shape: Any = None  # what the last layer returns for `_input`, batch axis None
        self._converts = False
        self._axes: int | None = None  # of an input, if its shape was given and not seen
        # Gone after the first call: what a later file says of the input has to come from somewhere.
        self._note_hook = self.register_forward_pre_hook(_note_input)
        if isinstance(layers, nn.Module):
            raise UsageTypeError(
                f"Sequential: got one {type(layers).__name__}; give a list of layers"
            )
        for layer in layers or ():
            self.add(layer)

    def add(self, layer: nn.Module) -> None:
        """Add a layer at the end.

        Args:
            layer: A layer or any module; an `Input` only as the first.

        Raises:
            UsageTypeError: If it is no module.
            UsageError: If it cannot take what the layer before it returns.
        """
        if isinstance(layer, type) or not isinstance(layer, nn.Module):
            hint = "make one: " if isinstance(layer, type) else ""
            raise UsageTypeError(
                f"Sequential.add: got {layer!r}; {hint}expected a layer or a torch.nn module"
            )
        if isinstance(layer, InputLayer):
            self._take_input(_Input(layer.batch_shape, layer.dtype, layer.name))
            return
        if not self._modules:
            self._begin(layer)
        shape = None if self._shape is None else self._build(layer, self._shape)
        own = (
            layer.name
            if isinstance(layer, (Layer, LayeredModel))
            else snake_case(type(layer).__name__)
        )
        self.add_module(unique_name(own, self._is_taken), layer)
        self._shape = shape

    def pop(self) -> nn.Module:
        """Remove the last layer and return it.

        Raises:
            UsageError: If there is none.
        """
        if not self._modules:
            raise UsageError("Sequential.pop: there is no layer to remove")
        _, layer = self._modules.popitem()
        self._shape = None if self._input is None else self._input.batch_shape
        for kept in self.layers:
            self._shape = None if self._shape is None else _shape_after(kept, self._shape)
        assert layer is not None  # modules are only ever added
        return layer

    def forward(self, inputs: Any, training: bool | None = None) -> Any:
        """Return the last layer's output.

        Args:
            inputs: A tensor, or a NumPy array.
            training: Whether dropout and its like act; the model's mode if not given.
        """
        if training not in (None, self.training):
            with in_mode(self, bool(training)):
                return self.forward(inputs)
        if not isinstance(inputs, Tensor):
            inputs = as_tensors(self, inputs)
        if isinstance(inputs, Tensor):
            if self._axes is not None and inputs.dim() != self._axes:
                inputs = self._with_axes(inputs)
            if self._converts and not inputs.is_floating_point():
                inputs = inputs.float()  # images of bytes; as Keras does for its float layers
        for layer in self._modules.values():
            inputs = layer(inputs)  # type: ignore[misc]  # modules are only ever added
        return inputs

    @property
    def input_shape(self) -> tuple[int | None, ...] | None:
        """The shape of the input, batch axis first as None; None if nobody has given it."""
        return None if self._input is None else self._input.batch_shape

    @property
    def output_shape(self) -> Any:
        """The shape of the output, batch axis first as None; None while that of the input is."""
        return self._shape

    def build(self, input_shape: Any) -> None:
        """Make the weights for inputs of a shape.

        Args:
            input_shape: With the batch axis, which may be None: `(None, 28, 28, 1)`.

        Raises:
            UsageError: If a layer cannot take what it would get.
        """
        self._take_input(_Input(tuple(input_shape), "float32"))

    def get_config(self) -> dict[str, Any]:
        """Return the name and the layers as JSON can hold them.

        Raises:
            UsageError: If a layer is a module that only the user's code can make.
        """
        described = []
        for name, layer in self._modules.items():
            if isinstance(layer, LayeredModel):
                config = layer.get_config()
                entry: dict[str, Any] = {"class_name": type(layer).__name__, "config": config}
            elif isinstance(layer, Layer):
                entry = keras_layers.serialize(layer)
            else:
                raise UsageError(
                    f"the layer {name!r} is a {type(layer).__name__}, which no file can describe; "
                    "save the weights alone (save_weights)"
                )
            # Two layers of one name are told apart by the model; Keras wants it in the file.
            entry["config"]["name"] = name
            described.append(entry)
        first = []
        if self._input is not None:
            layer = InputLayer(
                batch_shape=self._input.batch_shape, dtype=self._input.dtype, name=self._input.name
            )
            first = [keras_layers.serialize(layer)]
        return {"name": self.name, "layers": first + described}

    @classmethod
    def from_config(
        cls, config: Mapping[str, Any], custom_objects: Mapping[str, Any] | None = None
    ) -> Self:
        """Return a new model made from what `get_config` returned.

        Args:
            config: The configuration.
            custom_objects: Layer classes of your own by name.
        """
        made: list[nn.Module] = []
        for entry in config["layers"]:
            if is_model_class(entry["class_name"]):
                kind: Any = model_class(entry["class_name"])
                made.append(kind.from_config(entry["config"], custom_objects))
            else:
                made.append(keras_layers.deserialize(entry, custom_objects))
        return cls(made, name=config.get("name"))

    def _begin(self, layer: nn.Module) -> None:
        """Take the input's shape, and whether integers become floats, from the first layer."""
        floats = isinstance(layer, Layer) and not isinstance(layer, Embedding)
        if self._input is None and isinstance(layer, (Layer, LayeredModel)):
            shape = layer.input_shape
            if isinstance(layer, LayeredModel):
                shape = None if shape is None else shape[1:]
            if shape is not None:
                self._input = _Input((None, *shape), "float32" if floats else "int32")
                self._axes = len(self._input.batch_shape)
                self._shape = self._input.batch_shape
        self._converts = floats and (self._input is None or self._input.dtype.startswith("float"))

    def _take_input(self, layer: _Input) -> None:
        if self._input is not None and self._input.batch_shape != layer.batch_shape:
            raise UsageError(
                f"Sequential: the input's shape is {self._input.batch_shape} already; got "
                f"{layer.batch_shape}"
            )
        self._input = layer
        self._axes = len(layer.batch_shape)
        self._shape = layer.batch_shape
        for kept in self.layers:
            self._shape = self._build(kept, self._shape)

    def _with_axes(self, inputs: Tensor) -> Tensor:
        """Add or drop a last axis of size 1, as Keras does.

        Raises:
            UsageError: If that does not make it the shape that was given.
        """
        assert self._input is not None  # it is where the number of axes comes from
        expected, shape = self._input.batch_shape, tuple(inputs.shape)
        if len(shape) == len(expected) - 1 and expected[-1] == 1:
            inputs = inputs.unsqueeze(-1)
        elif len(shape) == len(expected) + 1 and shape[-1] == 1:
            inputs = inputs.squeeze(-1)
        fits = len(inputs.shape) == len(expected) and all(
            size in (None, own) for size, own in zip(expected[1:], inputs.shape[1:], strict=True)
        )
        if not fits:
            hint = "" if len(shape) >= len(expected) else "; one sample is a batch of one: x[None]"
            raise UsageError(f"{self.name}: got input of shape {shape}; expected {expected}{hint}")
        return inputs

    def _build(self, layer: nn.Module, shape: Any) -> Any:
        if isinstance(layer, Layer) and not layer.built:
            layer.check_input(shape)
            layer.make_weights(shape)
        elif isinstance(layer, Sequential) and layer.input_shape is None:
            layer.build(shape)
        return _shape_after(layer, shape)

    def _is_taken(self, name: str) -> bool:
        return name in self._modules or hasattr(self, name)

    def _sample(self) -> Any:
        if self._input is None or None in self._input.batch_shape[1:]:
            return super()._sample()
        sizes = [1 if size is None else size for size in self._input.batch_shape]
        return torch.zeros(sizes, dtype=getattr(torch, self._input.dtype))


def _note_input(model: Sequential, inputs: tuple[Any, ...]) -> None:
    """Remember the shape of the first input ever seen, if nobody has given it."""
    if model._input is None and isinstance(inputs[0], Tensor):
        shape = (None, *inputs[0].shape[1:])
        model._input = _Input(shape, str(inputs[0].dtype).removeprefix("torch."))
    model._note_hook.remove()


def _shape_after(layer: nn.Module, shape: Any) -> Any:
    """Return a layer's output shape, batch axis None; None for a module that needs real data."""
    if isinstance(layer, Layer):
        return layer.compute_output_shape(shape)
    return output_shape(layer, shape)
