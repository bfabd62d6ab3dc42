"""The graph of a model for TensorBoard: recorded while it computes one row of zeros.

`torch.jit.trace`, on which torch's own `add_graph` rests, is deprecated and warns at every use;
torch's function mode and forward hooks see the same calls.
"""

import contextlib
import json
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode, resolve_name

from epochal.core.trees import flatten

__all__ = ["Node", "conceptual", "graph_def", "module_tree", "record"]


@dataclass
class Node:
    """One box of the graph.

    Args:
        name: Where it stands, `model/layer/operation`.
        op: What it does.
        inputs: Names of the nodes it gets its tensors from.
        shapes: Shapes of its outputs.
        weight: Whether it stands for a weight.
    """

    name: str
    op: str
    inputs: list[str]
    shapes: list[tuple[int, ...]]
    weight: bool = False


def record(model: Any, sample: Any, name: str) -> list[Node]:
    """Return the operations that a model makes of its inputs, in their order.

    The model is run once, without training; its weights and modes and the random generators are
    left as they were.

    Args:
        model: The model.
        sample: Inputs for it.
        name: What the model is called.
    """
    recorder = _Recorder(model.wrapped, name)
    for tensor in flatten(sample):
        recorder.add("input", "Input", [], [tensor])
    modes = {module: module.training for module in model.modules()}
    devices = list({tensor.device for tensor in flatten(sample) if tensor.device.type == "cuda"})
    try:
        model.eval()
        with torch.random.fork_rng(devices), torch.no_grad(), _eager(), recorder.scopes(), recorder:
            outputs = model.predict_step((sample,))
    finally:
        for module, mode in modes.items():
            module.training = mode
    for tensor in flatten(outputs):
        recorder.add("output", "Output", [tensor], [])
    return recorder.nodes


def module_tree(model: Any, name: str) -> list[Node]:
    """Return a model's modules and their weights: for a model that cannot be recorded."""
    nodes = []
    for path, module in model.wrapped.named_modules():
        place = "/".join([name, *path.split(".")]) if path else name
        weights = [(key, p) for key, p in module.named_parameters(recurse=False)]
        inputs = [f"{place}/{key}" for key, _ in weights]
        nodes += [
            Node(f"{place}/{key}", "Parameter", [], [tuple(p.shape)], weight=True)
            for key, p in weights
        ]
        if not any(True for _ in module.children()):
            kind = type(module).__name__
            nodes.append(Node(f"{place}/{kind}", kind, inputs, []))
    return nodes


def graph_def(nodes: list[Node]) -> Any:
    """Return nodes as TensorBoard's `GraphDef`."""
    from tensorboard.compat.proto.attr_value_pb2 import AttrValue
    from tensorboard.compat.proto.graph_pb2 import GraphDef
    from tensorboard.compat.proto.node_def_pb2 import NodeDef
    from tensorboard.compat.proto.tensor_shape_pb2 import TensorShapeProto
    from tensorboard.compat.proto.versions_pb2 import VersionDef

    def shape(sizes: tuple[int, ...]) -> Any:
        return TensorShapeProto(dim=[TensorShapeProto.Dim(size=size) for size in sizes])

    made = []
    for node in nodes:
        shapes = AttrValue(list=AttrValue.ListValue(shape=[shape(one) for one in node.shapes]))
        attributes = {"_output_shapes": shapes} if node.shapes else {}
        made.append(NodeDef(name=node.name, op=node.op, input=node.inputs, attr=attributes))
    return GraphDef(node=made, versions=VersionDef(producer=22))


def conceptual(nodes: list[Node], model: Any, name: str) -> str:
    """Return the graph of the model's layers alone, in the JSON that Keras writes.

    Args:
        nodes: What `record` returned.
        model: The model.
        name: What it is called.
    """
    kinds = {path: type(module).__name__ for path, module in model.wrapped.named_children()}
    layer_of: dict[str, str] = {}
    feeds: dict[str, list[str]] = {}
    for node in nodes:
        parts = node.name.split("/")
        inside = len(parts) > 2 and parts[0] == name
        layer = parts[1] if inside else parts[-1]
        if node.weight or node.op == "Output":
            continue
        layer_of[node.name] = layer
        kinds.setdefault(layer, "InputLayer" if node.op == "Input" else node.op)
        into = feeds.setdefault(layer, [])
        for source in (layer_of.get(found, layer) for found in node.inputs):
            if source not in (layer, *into):
                into.append(source)
    layers = [
        {
            "class_name": kinds[layer],
            "config": {"name": layer},
            "inbound_nodes": [{"args": [_comes_from(source) for source in into]}] if into else [],
        }
        for layer, into in feeds.items()
    ]
    return json.dumps({"class_name": "Functional", "config": {"name": name, "layers": layers}})


def _comes_from(layer: str) -> dict[str, Any]:
    return {"class_name": "__keras_tensor__", "config": {"keras_history": [layer, 0, 0]}}


class _Recorder(TorchFunctionMode):
    """Notes every torch function that is called, under the module that calls it."""

    def __init__(self, root: nn.Module, name: str) -> None:
        super().__init__()
        self.nodes: list[Node] = []
        self._root = root
        self._name = name
        self._scope = [name]
        self._makers: dict[int, str] = {}
        self._kept: list[Tensor] = []  # a tensor that is gone would leave its `id` to another
        self._counts: dict[str, int] = {}
        named = [*root.named_parameters(), *root.named_buffers()]
        self._weights = {id(tensor): f"{name}/{path.replace('.', '/')}" for path, tensor in named}

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        result = func(*args, **(kwargs or {}))
        outputs = _tensors(result)
        if outputs:
            # A property's function is called `__get__`: the name before that says which.
            path = (resolve_name(func) or func.__name__).removesuffix(".__get__")
            op = path.rsplit(".", 1)[-1]
            op = op.strip("_") if op.startswith("__") else op
            self.add(f"{self._scope[-1]}/{op}", op, _tensors([args, kwargs]), outputs)
        return result

    def add(self, name: str, op: str, inputs: list[Tensor], outputs: list[Tensor]) -> None:
        """Add a node; from now on its outputs come from it, also those changed in place."""
        sources = list(dict.fromkeys(self._source(tensor) for tensor in inputs))
        shapes = [tuple(tensor.shape) for tensor in outputs]
        self._add(Node(name, op, sources, shapes), outputs)

    @contextlib.contextmanager
    def scopes(self) -> Iterator[None]:
        """Follow which module is at work."""
        handles = []
        try:
            for path, module in self._root.named_modules():
                place = "/".join([self._name, *path.split(".")]) if path else self._name
                handles.append(module.register_forward_pre_hook(self._enter(place), prepend=True))
                handles.append(module.register_forward_hook(self._leave))
            yield
        finally:
            for handle in handles:
                handle.remove()

    def _enter(self, place: str) -> Callable[[nn.Module, Any], None]:
        return lambda _, __: self._scope.append(place)

    def _leave(self, *_: Any) -> None:
        self._scope.pop()

    def _source(self, tensor: Tensor) -> str:
        if id(tensor) not in self._makers:
            shape = [tuple(tensor.shape)]
            weight = self._weights.get(id(tensor))
            if weight is None:
                self._add(Node(f"{self._scope[-1]}/constant", "Constant", [], shape), [tensor])
            else:
                kind = "Parameter" if isinstance(tensor, nn.Parameter) else "Buffer"
                self._add(Node(weight, kind, [], shape, weight=True), [tensor])
        return self._makers[id(tensor)]

    def _add(self, node: Node, outputs: list[Tensor]) -> None:
        plain = node.name
        while node.name in self._counts:
            self._counts[plain] += 1
            node.name = f"{plain}_{self._counts[plain]}"
        self._counts[node.name] = 0
        self.nodes.append(node)
        self._kept += outputs
        self._makers.update((id(tensor), node.name) for tensor in outputs)


def _tensors(tree: Any) -> list[Tensor]:
    return [leaf for leaf in flatten(tree) if isinstance(leaf, Tensor)]


def _eager() -> contextlib.AbstractContextManager[Any]:
    """Run compiled modules as they were written; nothing is compiled if nothing has been."""
    if "torch._dynamo" not in sys.modules:
        return contextlib.nullcontext()
    stance: contextlib.AbstractContextManager[Any] = torch.compiler.set_stance("force_eager")
    return stance
