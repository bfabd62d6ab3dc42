"""What a file says of a graph of layers: which is called on what, and in which order."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

from epochal.core.errors import UsageError

__all__ = ["Call", "Ref", "fill", "ordered", "parse_calls", "parse_refs", "refs_in"]


class Ref(NamedTuple):
    """One tensor of a graph: a layer, which of its calls, and which output of that."""

    layer: str
    call: int
    output: int


@dataclass(frozen=True)
class Call:
    """One call of a layer; `args` and `kwargs` hold `Ref`s where tensors go."""

    layer: str
    index: int
    args: tuple[Any, ...]
    kwargs: Mapping[str, Any]


def parse_calls(layer: str, nodes: Any, layers: Mapping[str, Any]) -> Iterator[Call]:
    """Yield the calls of a layer, from what Keras 3 or Keras 2 writes of them.

    Args:
        layer: Its name.
        nodes: What the file has as its `inbound_nodes`.
        layers: Every layer of the graph by name.

    Raises:
        UsageError: If it is neither.
    """
    if not isinstance(nodes, list):
        raise UsageError(f"the calls of the layer {layer!r} are damaged")
    for index, node in enumerate(nodes):
        if isinstance(node, Mapping):
            args = tuple(_parse(arg) for arg in node.get("args", ()))
            kwargs = {key: _parse(value) for key, value in node.get("kwargs", {}).items()}
        else:
            args, kwargs = _older(node, layers)
        # A graph is trained or not as a whole, and what is None is what the layer does anyway.
        kept = {k: v for k, v in kwargs.items() if k != "training" and v is not None}
        call = Call(layer, index, args, kept)
        for ref in refs_in((call.args, call.kwargs)):
            if ref.layer not in layers:
                raise UsageError(
                    f"the layer {layer!r} is called on {ref.layer!r}, which is missing"
                )
        yield call


def _parse(value: Any) -> Any:
    """Return an argument with a `Ref` for each tensor."""
    if isinstance(value, list):
        return [_parse(item) for item in value]
    if not isinstance(value, Mapping):
        return value
    if value.get("class_name") == "__keras_tensor__":
        return _ref(value["config"]["keras_history"])
    if value.get("class_name") == "__tuple__":
        return tuple(_parse(item) for item in value["items"])
    if "class_name" in value:
        raise UsageError(
            f"a layer is called with a {value['class_name']!r}; only tensors, numbers and text can "
            "be in a graph"
        )
    return {key: _parse(item) for key, item in value.items()}


def _ref(value: Any) -> Ref:
    if (
        not isinstance(value, list)
        or [type(part) for part in value[:3]] != [str, int, int]
        or min(value[1:3]) < 0
    ):
        raise UsageError(f"{value!r} stands for no tensor of the graph")
    return Ref(*value[:3])


def _older(node: Any, layers: Mapping[str, Any]) -> tuple[tuple[Any, ...], dict[str, Any]]:
    """Return arguments as Keras 2 writes them: a list of `[layer, call, output, keywords]`."""
    if isinstance(node, list) and node and isinstance(node[0], str):
        node = [node]
    if not isinstance(node, list) or not all(isinstance(part, list) for part in node):
        raise UsageError(f"the call {node!r} is damaged")
    refs = [_ref(part) for part in node]
    keywords = dict(node[0][3]) if node and len(node[0]) > 3 else {}

    def tensors(value: Any) -> Any:
        is_ref = isinstance(value, list) and len(value) == 3 and value[0] in layers
        return _ref(value) if is_ref else value

    return (
        (refs[0] if len(refs) == 1 else refs,),
        {key: tensors(value) for key, value in keywords.items()},
    )


def parse_refs(value: Any) -> Any:
    """Return the inputs or outputs of a graph: a `Ref`, or a list or dict of them."""
    if isinstance(value, Mapping):
        return {key: parse_refs(item) for key, item in value.items()}
    if isinstance(value, list) and value and isinstance(value[0], str):
        return _ref(value)
    if isinstance(value, list) and value:
        return [parse_refs(item) for item in value]
    raise UsageError(f"{value!r} stands for no tensor of the graph")


def refs_in(value: Any) -> Iterator[Ref]:
    """Yield every `Ref` in nested lists, tuples and dicts."""
    if isinstance(value, Ref):
        yield value
    elif isinstance(value, Mapping):
        for item in value.values():
            yield from refs_in(item)
    elif isinstance(value, (list, tuple)):
        for item in value:
            yield from refs_in(item)


def fill(value: Any, tensors: Callable[[Ref], Any]) -> Any:
    """Return nested arguments with a tensor in the place of each `Ref`."""
    if isinstance(value, Ref):
        return tensors(value)
    if isinstance(value, Mapping):
        return {key: fill(item, tensors) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return type(value)(fill(item, tensors) for item in value)
    return value


def ordered(calls: list[Call], inputs: set[str]) -> list[Call]:
    """Return the calls in an order in which each comes after what it needs.

    Raises:
        UsageError: If there is none: calls that wait for each other, or for one that is not there.
    """
    known = {(name, 0) for name in inputs}
    waiting: dict[tuple[str, int], list[Call]] = {}
    needs: dict[tuple[str, int], int] = {}
    ready: list[Call] = []
    for call in calls:
        missing = {ref[:2] for ref in refs_in((call.args, call.kwargs))} - known
        needs[call.layer, call.index] = len(missing)
        for key in missing:
            waiting.setdefault(key, []).append(call)
        if not missing:
            ready.append(call)
    order: list[Call] = []
    for call in ready:  # grows while it is walked
        order.append(call)
        for after in waiting.pop((call.layer, call.index), ()):
            needs[after.layer, after.index] -= 1
            if not needs[after.layer, after.index]:
                ready.append(after)
    if len(order) != len(calls):
        stuck = next(call for call in calls if needs[call.layer, call.index])
        raise UsageError(f"the layer {stuck.layer!r} waits for a call that never comes")
    return order
