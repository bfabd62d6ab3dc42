"""A new model takes over the tensors of a file: their values, types and ties."""

from collections import Counter
from collections.abc import Collection, Iterator
from typing import Any

import torch
from torch import Tensor, nn

from epochal.core.errors import UsageError
from epochal.models.prefixes import shown_places
from epochal.storage import StoredTensors

__all__ = ["fill", "is_made"]


@torch.no_grad()
def fill(model: nn.Module, stored: StoredTensors) -> None:
    """Give a model, with or without values, those of a file; shapes were found to be the same.

    What was one tensor in the model that was saved, or is in this one, is one again. Types of
    numbers are those of the file. A weight that had values gives its memory back before the next
    one is read.

    Args:
        model: A model that nobody has seen yet.
        stored: Verified tensors, by the names in the model's `state_dict`.
    """
    made: dict[int | str, nn.Parameter] = {}
    slots = list(_slots(model))
    times = Counter(id(kept[attribute]) for _, kept, attribute in slots)
    shared: list[Tensor] = []  # an id is of an object for as long as that lives
    for name, kept, attribute in slots:
        if name not in stored:
            continue
        empty, kind, source = kept[attribute], stored.dtype(name), stored.first_name(name)
        if kind.is_floating_point != empty.is_floating_point():
            raise UsageError(f"{name} is {empty.dtype} in the model and {kind} in the file")
        if not isinstance(empty, nn.Parameter):
            kept[attribute] = _as(stored[name], empty)
            continue
        if times[id(empty)] > 1:
            shared.append(empty)
        own = made.get(id(empty), made.get(source))
        if own is None:
            own = nn.Parameter(_as(stored[name], empty), requires_grad=empty.requires_grad)
        made[source] = kept[attribute] = own
        if times[id(empty)] > 1:
            made[id(empty)] = own


def is_made(model: nn.Module, names: Collection[str]) -> bool:
    """Return whether a model without values needs nothing but the tensors of a file."""
    return all(name in names or not kept[key].is_meta for name, kept, key in _slots(model))


def _as(value: Tensor, empty: Tensor) -> Tensor:
    """Return a value laid out as the model has it: convolutions keep theirs as their kernel wants.

    It is the one that was read where that can be.
    """
    if value.stride() == empty.stride():
        return value
    return torch.empty_strided(empty.size(), empty.stride(), dtype=value.dtype).copy_(value)


def _slots(model: nn.Module) -> Iterator[tuple[str, dict[str, Any], str]]:
    """Yield every tensor of a model: its name in files, and the dict and key it is kept by."""
    for prefix, module in shown_places(model):
        for kept in (module._parameters, module._buffers):
            for attribute, tensor in kept.items():
                if tensor is not None:
                    yield f"{prefix}{attribute}", kept, attribute
