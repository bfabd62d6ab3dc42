"""A graph of layers that came out of a file."""

import inspect
from collections.abc import Mapping
from typing import Any, Self

import torch
from torch import Tensor, nn

from epochal import layers as keras_layers
from epochal.core.errors import UsageError, unknown_name
from epochal.core.trees import flatten
from epochal.layers import InputLayer, Layer
from epochal.layers.inference import merge_shapes, without_values
from epochal.layers.shapes import shapes_of
from epochal.models.calling import as_tensors, in_mode
from epochal.models.classes import described_class, is_model_class, model_class
from epochal.models.graph import Call, Ref, fill, ordered, parse_calls, parse_refs, refs_in
from epochal.models.layered import LayeredModel

__all__ = ["Functional"]

# Two sizes stand for one that is not known; what comes out alike for both is.
_UNKNOWN = (128, 192)


@described_class
class Functional(LayeredModel):
    """Keras' functional model: layers in a graph, with one or several inputs and outputs.

    `load_model` makes one of a file that holds one; there is no way to draw a new graph here (write
    a `Model` with a `forward` for that). It is trained, evaluated and saved like any model. Several
    outputs come as a named tuple, each under the name of the layer that makes it.

    Args:
        layers: The layers by name, inputs included.
        calls: What is called on what.
        inputs: The input layers, as the file nests them.
        outputs: What is returned, as the file nests it.
        name: Of the model.

    Raises:
        UsageError: If the graph cannot be run.
    """

    def __init__(
        self,
        layers: Mapping[str, nn.Module],
        calls: list[Call],
        inputs: Any,
        outputs: Any,
        name: str = "functional",
    ) -> None:
        super().__init__(name=name)
        self._inputs: list[InputLayer] = []
        self._outputs = outputs
        self._described: dict[str, Any] = {}
        found = [ref.layer for ref in refs_in(inputs)]
        for key in found:
            layer = layers.get(key)
            if not isinstance(layer, InputLayer):
                raise UsageError(f"{key!r} is an input of the graph and no InputLayer")
            self._inputs.append(layer)
        for key, module in layers.items():
            if not isinstance(module, InputLayer):
                self.add_module(key, module)
        self._calls = ordered(calls, set(found))
        for ref in refs_in(outputs):
            if ref.layer not in layers:
                raise UsageError(f"an output is of the layer {ref.layer!r}, which is missing")
        self._names = [layer.name for layer in self._inputs]
        self._dtypes = [getattr(torch, layer.dtype) for layer in self._inputs]
        self._returned = _returned_type(outputs)
        self._last = self._last_uses()
        self._build()

    @classmethod
    def from_config(
        cls, config: Mapping[str, Any], custom_objects: Mapping[str, Any] | None = None
    ) -> Self:
        """Return a new model made from what `get_config` returned, or Keras wrote.

        Args:
            config: The configuration.
            custom_objects: Layer classes of your own by name.

        Raises:
            UsageError: If the graph cannot be run.
        """
        made: dict[str, nn.Module] = {}
        nodes: dict[str, Any] = {}
        for entry in config["layers"]:
            name = str(entry.get("name") or entry["config"]["name"])
            if name in made:
                raise UsageError(f"two layers of the graph are named {name!r}")
            if is_model_class(entry["class_name"]):
                kind: Any = model_class(entry["class_name"])
                made[name] = kind.from_config(entry["config"], custom_objects)
            else:
                made[name] = keras_layers.deserialize(entry, custom_objects)
            nodes[name] = entry.get("inbound_nodes") or []
        calls = [call for name in made for call in parse_calls(name, nodes[name], made)]
        for call in calls:
            _check_arguments(call, made[call.layer])
        inputs, outputs = parse_refs(config["input_layers"]), parse_refs(config["output_layers"])
        model = cls(made, calls, inputs, outputs, config.get("name") or "functional")
        model._described = {
            "nodes": nodes,
            "input_layers": config["input_layers"],
            "output_layers": config["output_layers"],
        }
        return model

    def get_config(self) -> dict[str, Any]:
        """Return the name, the layers and their calls as JSON can hold them."""
        described = self._described
        made: dict[str, nn.Module] = {layer.name: layer for layer in self._inputs}
        made |= dict(self.named_children())
        entries = []
        for name, nodes in described["nodes"].items():
            layer: Any = made[name]
            if isinstance(layer, Layer):
                entry = keras_layers.serialize(layer)
            else:
                entry = {"class_name": type(layer).__name__, "config": layer.get_config()}
            entries.append({**entry, "name": name, "inbound_nodes": nodes})
        ends = {key: described[key] for key in ("input_layers", "output_layers")}
        return {"name": self.name, "layers": entries, **ends}

    def forward(self, *inputs: Any, **named: Any) -> Any:
        """Return the outputs for the inputs: one by one, as a list, or by the inputs' names.

        Called by hand, the model also takes NumPy arrays, and `training=` as Keras' models do.
        """
        training = named.pop("training", None)
        if training not in (None, self.training):
            with in_mode(self, bool(training)):
                return self.forward(*inputs, **named)
        tensors = self._ordered_inputs(inputs, named)
        values: dict[tuple[str, int], list[Any]] = {}
        for name, dtype, tensor in zip(self._names, self._dtypes, tensors, strict=True):
            # Images of bytes become floats, as in Keras.
            if tensor.is_floating_point() != dtype.is_floating_point:
                tensor = tensor.to(dtype)
            values[name, 0] = [tensor]

        def pick(ref: Ref) -> Any:
            return values[ref.layer, ref.call][ref.output]

        for call, done in zip(self._calls, self._last, strict=True):
            layer: Any = self._modules[call.layer]
            result = layer(*fill(call.args, pick), **fill(call.kwargs, pick))
            values[call.layer, call.index] = flatten(result)
            for key in done:
                del values[key]
        result = fill(self._outputs, pick)
        return result if self._returned is None else self._returned(*result)

    def input_signature(self) -> inspect.Signature:
        """Return a signature with a parameter for each input."""
        kind = inspect.Parameter.POSITIONAL_OR_KEYWORD
        names = self._names
        if not all(name.isidentifier() for name in names):
            names = [f"input_{number}" for number in range(len(names))]
        return inspect.Signature([inspect.Parameter(name, kind) for name in names])

    @property
    def input_shape(self) -> Any:
        """The shape of the input, or a list of them; batch axis first as None."""
        shapes = [layer.batch_shape for layer in self._inputs]
        return shapes[0] if len(shapes) == 1 else shapes

    @property
    def output_shape(self) -> Any:
        """The shape of the output, or of each; batch axis first as None."""
        return self._shape

    def _ordered_inputs(self, inputs: tuple[Any, ...], named: Mapping[str, Any]) -> list[Tensor]:
        given: list[Any] = list(inputs)
        if len(given) == 1 and isinstance(given[0], (list, tuple)):
            given = list(given[0])
        elif len(given) == 1 and isinstance(given[0], Mapping):
            named, given = given[0], []
        for name in self._names[len(given) :]:
            if name in named:
                given.append(named[name])
        if len(given) != len(self._names):
            got = f"the names {list(named)}" if named else f"{len(given)} inputs"
            raise UsageError(f"{self.name}: got {got}; expected {len(self._names)}: {self._names}")
        return given if all(isinstance(one, Tensor) for one in given) else as_tensors(self, given)

    def _last_uses(self) -> list[list[tuple[str, int]]]:
        """Return for each call the values that nothing needs after it."""
        kept = {ref[:2] for ref in refs_in(self._outputs)}
        done: list[list[tuple[str, int]]] = []
        for call in reversed(self._calls):
            needed = {ref[:2] for ref in refs_in((call.args, call.kwargs))}
            own = {(call.layer, call.index)}
            done.append(sorted((needed | own) - kept))
            kept |= needed | own
        return done[::-1]

    def _build(self) -> None:
        """Make the layers' weights for the shapes that reach them; no value is computed."""
        runs: list[dict[tuple[str, int], list[Any]]] = []
        for unknown in _UNKNOWN:
            sizes = [[unknown if n is None else n for n in i.batch_shape] for i in self._inputs]
            firsts = [
                torch.empty(size, dtype=dtype, device="meta")
                for size, dtype in zip(sizes, self._dtypes, strict=True)
            ]
            runs.append({(n, 0): [t] for n, t in zip(self._names, firsts, strict=True)})
        for call in self._calls:
            layer: Any = self._modules[call.layer]
            args = [
                (fill(call.args, _picker(values)), fill(call.kwargs, _picker(values)))
                for values in runs
            ]
            try:
                self._build_layer(layer, args)
                for values, (positional, keywords) in zip(runs, args, strict=True):
                    bare = without_values(layer)
                    values[call.layer, call.index] = flatten(bare(*positional, **keywords))
            except (RuntimeError, TypeError, IndexError) as error:
                raise UsageError(
                    f"the layer {call.layer!r} cannot take what reaches it: {error}"
                ) from error
        first, second = (shapes_of(fill(self._outputs, _picker(values))) for values in runs)
        self._shape = merge_shapes(first, second)

    def _build_layer(self, layer: Any, args: list[tuple[Any, Any]]) -> None:
        if isinstance(layer, Layer) and not layer.built:
            first, second = (layer._build_shapes(*one) for one in args)
            shapes = merge_shapes(first, second)
            layer.check_input(shapes[0])
            layer.make_weights(*shapes)
        elif not isinstance(layer, (Layer, Functional)) and layer.input_shape is None:
            layer.build(merge_shapes(*(shapes_of(positional[0]) for positional, _ in args)))

    def _sample(self) -> Any:
        shapes = [layer.batch_shape for layer in self._inputs]
        if any(None in shape[1:] for shape in shapes):
            return super()._sample()
        zeros = tuple(
            torch.zeros([1 if n is None else n for n in shape], dtype=dtype)
            for shape, dtype in zip(shapes, self._dtypes, strict=True)
        )
        return zeros[0] if len(zeros) == 1 else zeros


def _picker(values: Mapping[tuple[str, int], list[Any]]) -> Any:
    """Return what finds a tensor, or says that the graph has none such."""

    def pick(ref: Ref) -> Any:
        found = values.get((ref.layer, ref.call), [])
        if ref.output >= len(found):
            raise UsageError(
                f"call {ref.call} of the layer {ref.layer!r} has no output {ref.output}"
            )
        return found[ref.output]

    return pick


def _returned_type(outputs: Any) -> Any:
    """Return the named tuple that several outputs come in; None for any other nesting."""
    if not isinstance(outputs, list) or not all(isinstance(ref, Ref) for ref in outputs):
        return None
    names = [ref.layer for ref in outputs]
    if len(set(names)) < len(names):
        names = [f"{ref.layer}_{number}" for number, ref in enumerate(outputs)]

    # No `namedtuple`: it makes source code of the names and runs it, and these are of a file.
    class Outputs(tuple[Any, ...]):
        __slots__ = ()
        _fields = tuple(names)

        def __new__(cls, *values: Any) -> Self:
            return super().__new__(cls, values)

    return Outputs


def _check_arguments(call: Call, module: nn.Module) -> None:
    """Refuse arguments of a call that a layer does not take."""
    parameters = inspect.signature(module.forward).parameters.values()
    named = [p.name for p in parameters if p.kind in (p.POSITIONAL_OR_KEYWORD, p.KEYWORD_ONLY)]
    if any(p.kind is p.VAR_KEYWORD for p in parameters):
        return
    for key, value in call.kwargs.items():
        if key not in named and value is not False:
            text = unknown_name("argument of its call", key, named)
            raise UsageError(f"the layer {call.layer!r}: {text}")
    for key in [key for key in call.kwargs if key not in named]:
        del call.kwargs[key]  # type: ignore[attr-defined]  # a dict; False is what they do anyway
