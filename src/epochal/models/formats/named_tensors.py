"""Weights and optimizer state by torch's names, as our own formats hold them."""

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn

from epochal.core.errors import UsageError
from epochal.models.formats.matching import LeftOut, Pairing, pair
from epochal.models.prefixes import match

__all__ = ["assign", "compare", "give_optimizer", "optimizer_state", "tensors_of"]


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


def give_optimizer(model: Any, saved: Mapping[str, Any]) -> None:
    """Give a model's optimizer the state that a file holds, whatever wrapped the weights there.

    Raises:
        UsageError: If it belongs to other weights or another optimizer; nothing is changed then.
    """
    model._compiled.build_optimizer()
    weights = dict.fromkeys(entry.partition("/")[2] for entry in saved if "/" in entry)
    meant = match(weights, [name for name, _ in model.named_parameters()])
    state = {}
    for entry, value in saved.items():
        key, _, name = entry.partition("/")
        state[f"{key}/{meant[name]}" if name else entry] = value
    model.optimizer.load_state_dict(state)


def compare(
    model: nn.Module, tensors: Mapping[str, Tensor], call: str, strict: bool = True
) -> Pairing:
    """Find a file's weights in a model, or raise one error that lists every difference."""
    shapes = {name: tensor.shape for name, tensor in tensors.items()}
    own = {name: tensor.shape for name, tensor in model.state_dict().items()}
    return pair(shapes, own, call, strict)


def assign(
    model: nn.Module, tensors: Mapping[str, Tensor], call: str, strict: bool = True
) -> LeftOut:
    """Write all weights, or raise one error that lists every difference and change nothing."""
    found = compare(model, tensors, call, strict)
    with torch.no_grad():
        model.load_state_dict(
            {name: tensors[there] for name, there in found.names.items()}, strict=False
        )
    return found.left_out
