"""A new model takes over the tensors of a file: their values, types and ties."""

from collections.abc import Iterator, Mapping

import torch
from torch import Tensor, nn

from epochal.core.errors import UsageError
from epochal.models.prefixes import shown_places

__all__ = ["fill", "is_made"]


@torch.no_grad()
def fill(model: nn.Module, tensors: Mapping[str, Tensor]) -> None:
    """Give a model, with or without values, those of a file; shapes were found to be the same.

    What was one tensor in the model that was saved, or is in this one, is one again. Types of
    numbers are those of the file.

    Args:
        model: A model that nobody has seen yet.
        tensors: By the names in its `state_dict`.
    """
    made: dict[int, nn.Parameter] = {}
    taken: dict[int, Tensor] = {}
    keep: list[Tensor] = []  # an id is of an object for as long as that lives
    for name, module, attribute, empty in _slots(model):
        if name not in tensors:
            continue
        value = tensors[name]
        keep += [empty, value]
        if value.is_floating_point() != empty.is_floating_point():
            raise UsageError(f"{name} is {empty.dtype} in the model and {value.dtype} in the file")
        if not isinstance(empty, nn.Parameter):
            module._buffers[attribute] = _as(value, empty, taken)
            continue
        own = made.get(id(empty)) or made.get(id(value))
        if own is None:
            own = nn.Parameter(_as(value, empty, taken), requires_grad=empty.requires_grad)
        made[id(empty)] = made[id(value)] = own
        module._parameters[attribute] = own


def is_made(model: nn.Module, tensors: Mapping[str, Tensor]) -> bool:
    """Return whether a model without values needs nothing but the tensors of a file."""
    return all(name in tensors or not empty.is_meta for name, _, _, empty in _slots(model))


def _as(value: Tensor, empty: Tensor, taken: dict[int, Tensor]) -> Tensor:
    """Return a value laid out as the model has it: convolutions keep theirs as their kernel wants.

    It is the file's own tensor where that can be.
    """
    if value.stride() == empty.stride() and id(value) not in taken:
        taken[id(value)] = value
        return value
    return torch.empty_strided(empty.size(), empty.stride(), dtype=value.dtype).copy_(value)


def _slots(model: nn.Module) -> Iterator[tuple[str, nn.Module, str, Tensor]]:
    """Yield every tensor of a model: its name in files, and where it is kept."""
    for prefix, module in shown_places(model):
        for kept in (module._parameters, module._buffers):
            for attribute, tensor in kept.items():
                if tensor is not None:
                    yield f"{prefix}{attribute}", module, attribute, tensor
