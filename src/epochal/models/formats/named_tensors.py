"""Weights and optimizer state by torch's names, as our own formats hold them."""

from collections import ChainMap
from collections.abc import Callable, Iterable, Iterator, Mapping, MutableMapping
from typing import Any, cast

import torch
from torch import Tensor, nn

from epochal.core.errors import UsageError
from epochal.models.formats.matching import LeftOut, Pairing, pair
from epochal.models.prefixes import PlainNames, match
from epochal.storage import StoredTensors

__all__ = ["Renamed", "assign", "compare", "give_optimizer", "optimizer_state", "tensors_of"]

# What loads a module's own tensors by copying each to its place. Those of normalisation check their
# counters before, which are among the weights of every file.
_PLAIN = (
    nn.Module._load_from_state_dict,
    nn.BatchNorm1d._load_from_state_dict,
    nn.InstanceNorm1d._load_from_state_dict,
)


def tensors_of(model: nn.Module) -> dict[str, Tensor]:
    """Return a model's weights by name.

    Raises:
        UsageError: If its state holds anything but tensors.
    """
    tensors = {}
    for name, value in model.state_dict().items():
        if not isinstance(value, Tensor):
            raise UsageError(
                f"the state {name!r} is a {type(value).__name__}; only tensors can be saved"
            )
        tensors[name] = value
    return tensors


def optimizer_state(model: Any) -> tuple[dict[str, Tensor], dict[str, Any] | None]:
    """Return the optimizer's tensors and its plain numbers; None for those if it has no state."""
    if model.optimizer is None or not model.optimizer.built:
        return {}, None
    tensors, numbers = {}, {}
    for name, value in model.optimizer.state_dict().items():
        if isinstance(value, Tensor):
            tensors[name] = value
        else:
            numbers[name] = value
    return tensors, numbers


def give_optimizer(model: Any, tensors: Mapping[str, Tensor], numbers: Mapping[str, Any]) -> None:
    """Give a model's optimizer the state that a file holds, whatever wrapped the weights there.

    Args:
        model: A compiled model.
        tensors: The state's tensors; read when the optimizer copies them.
        numbers: The rest of it.

    Raises:
        UsageError: If it belongs to other weights or another optimizer; nothing is changed then.
    """
    # A view of both: it is read and never written, whatever its type would allow.
    saved = ChainMap(dict(numbers), cast("MutableMapping[str, Any]", tensors))
    model._compiled.build_optimizer()
    weights = dict.fromkeys(entry.partition("/")[2] for entry in saved if "/" in entry)
    meant = match(weights, [name for name, _ in model.named_parameters()])
    names = {}
    for entry in saved:
        key, _, name = entry.partition("/")
        names[f"{key}/{meant[name]}" if name else entry] = entry
    model.optimizer.load_state_dict(Renamed(saved, names))


class Renamed(Mapping[str, Any]):
    """A mapping under other names; a value is read when it is asked for, as the mapping does it.

    Args:
        values: The mapping.
        names: Its names by the new ones.

    Example:
        >>> dict(Renamed({"a": 1, "b": 2}, {"c": "a"}))
        {'c': 1}
    """

    def __init__(self, values: Mapping[str, Any], names: Mapping[str, str]) -> None:
        self._values = values
        self._names = names

    def __getitem__(self, name: str) -> Any:
        return self._values[self._names[name]]

    def __contains__(self, name: object) -> bool:
        return name in self._names  # without reading it

    def __iter__(self) -> Iterator[str]:
        return iter(self._names)

    def __len__(self) -> int:
        return len(self._names)


def compare(
    model: nn.Module, shapes: Mapping[str, Iterable[int]], call: str, strict: bool = True
) -> Pairing:
    """Find a file's weights in a model, or raise one error that lists every difference."""
    own = {name: tensor.shape for name, tensor in model.state_dict().items()}
    return pair(shapes, own, call, strict)


def assign(
    model: nn.Module,
    stored: StoredTensors,
    call: str,
    strict: bool = True,
    *,
    shapes: Mapping[str, Iterable[int]] | None = None,
    before: Callable[[], None] | None = None,
) -> LeftOut:
    """Write all weights, or raise one error that lists every difference and change nothing.

    Args:
        model: The model.
        stored: The tensors of a file that is open.
        call: Named in the error.
        strict: Whether everything has to fit.
        shapes: Those of the tensors that are weights, by name; of all by default.
        before: Called when all weights fit and were found whole, before the first one changes.
    """
    found = compare(model, stored.shapes if shapes is None else shapes, call, strict)
    stored.verify()
    if before is not None:
        before()
    _write(model, stored, found.names)
    return found.left_out


@torch.no_grad()
def _write(model: nn.Module, stored: StoredTensors, names: Mapping[str, str]) -> None:
    """Write the tensors of a file over a model's, one by one if that is all that loading does."""
    own = model.state_dict()
    if all(map(_is_plain, model.modules())) and not any(own[name].is_meta for name in names):
        for name, there in names.items():
            stored.read_into(there, own[name])
    else:
        model.load_state_dict(dict(Renamed(stored, names)), strict=False)


def _is_plain(module: nn.Module) -> bool:
    """Return whether torch would do no more than copy: nobody's hook or method is passed by."""
    kind = type(module)
    ours = int(isinstance(module, PlainNames))  # it renames, and nothing else
    hooks = (
        module._load_state_dict_pre_hooks,
        module._load_state_dict_post_hooks,
        module._state_dict_hooks,
    )
    return (
        kind._load_from_state_dict in _PLAIN
        and kind._save_to_state_dict is nn.Module._save_to_state_dict
        and kind.load_state_dict is nn.Module.load_state_dict
        and kind.state_dict is nn.Module.state_dict
        and kind.get_extra_state is nn.Module.get_extra_state
        and all(len(kept) == ours for kept in hooks)
        and not module._state_dict_pre_hooks
    )
