"""An optimizer's state as one flat dict of named tensors and plain numbers, and back."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from epochal.core.errors import Problems, UsageTypeError

__all__ = ["VERSION", "by_name", "check", "load_tensors", "named_tensors", "tensors"]

VERSION = 1

_OWN_KEYS = ("elements", "ema_average", "accumulated_gradient", "group", "scheduler")


def tensors(
    optimizer: torch.optim.Optimizer, named: Mapping[str, nn.Parameter]
) -> Iterator[tuple[str, Any]]:
    """Yield what torch's optimizer remembers of each weight, as `("exp_avg/dense.weight", t)`.

    Args:
        optimizer: The torch optimizer.
        named: The weights by name.

    Raises:
        UsageTypeError: If the optimizer remembers things that no file of ours can hold.
    """
    for name, parameter in named.items():
        yield f"elements/{name}", parameter.numel()
        for key, value in optimizer.state.get(parameter, {}).items():
            if value is None:
                continue
            if not isinstance(value, (Tensor, bool, int, float)):
                raise UsageTypeError(
                    f"{type(optimizer).__name__} keeps {key!r} as a {type(value).__name__}, which "
                    "cannot be saved; only tensors and numbers can"
                )
            yield f"{key}/{name}", value


def _split(entry: str) -> tuple[str, str]:
    """Return key and weight of an entry, an empty key if it is about no weight."""
    key, _, name = entry.partition("/")
    return (key, name) if name else ("", "")


def check(
    state: Mapping[str, Any],
    named: Mapping[str, nn.Parameter],
    algorithm: str,
    like_weights: bool,
    problems: Problems,
) -> None:
    """Note everything in a saved state that does not belong to these weights.

    Args:
        state: What `Optimizer.state_dict` returned.
        named: The weights by name.
        algorithm: The torch optimizer's class name.
        like_weights: Whether remembered tensors have the shape of their weight (or 1 in places).
        problems: Where to note them.
    """
    if state.get("version") != VERSION:
        problems.add(f"the state's version is {state.get('version')!r}; this is {VERSION}")
        return
    if state["algorithm"] != algorithm:
        problems.add(f"the state was saved by {state['algorithm']}, and this is {algorithm}")
        return
    saved = {_split(entry)[1] for entry in state if entry.startswith("elements/")}
    for name in saved - named.keys():
        problems.add(f"the state has the weight {name!r}, which the model does not have")
    for name in named.keys() - saved:
        problems.add(f"the model has the weight {name!r}, which the state does not have")
    for entry, value in state.items():
        key, name = _split(entry)
        parameter = named.get(name)
        if parameter is None or name not in saved:
            continue
        if key == "elements" and value != parameter.numel():
            problems.add(
                f"{name!r} had {value} elements when the state was saved, and has "
                f"{parameter.numel()} of shape {tuple(parameter.shape)} now"
            )
        elif like_weights and isinstance(value, Tensor) and not _fits(value, parameter):
            problems.add(
                f"{entry!r} has shape {tuple(value.shape)}, and the weight {tuple(parameter.shape)}"
            )


def _fits(value: Tensor, parameter: nn.Parameter) -> bool:
    """Return whether a tensor is a number, or has the weight's shape but for dimensions of 1."""
    if value.ndim == 0:
        return True
    pairs = zip(value.shape, parameter.shape, strict=False)
    return value.ndim == parameter.ndim and all(v in (1, p) for v, p in pairs)


def load_tensors(
    optimizer: torch.optim.Optimizer,
    named: Mapping[str, nn.Parameter],
    state: Mapping[str, Any],
) -> None:
    """Make torch's optimizer remember what was saved, and nothing else.

    Args:
        optimizer: The torch optimizer.
        named: The weights by name.
        state: What `Optimizer.state_dict` returned, checked.
    """
    on_device = {
        id(parameter): bool(group.get("fused") or group.get("capturable"))
        for group in optimizer.param_groups
        for parameter in group["params"]
    }
    optimizer.state.clear()
    for entry, value in state.items():
        key, name = _split(entry)
        if not key or key in _OWN_KEYS or name not in named:
            continue
        parameter = named[name]
        if isinstance(value, Tensor):
            # torch keeps counters on the CPU, where reading one waits for nothing, unless the
            # kernel that reads them runs on the device.
            there = value.ndim > 0 or on_device[id(parameter)]
            device = parameter.device if there else torch.device("cpu")
            optimizer.state[parameter][key] = value.detach().to(device, copy=True)
        else:
            optimizer.state[parameter][key] = value


def named_tensors(
    named: Mapping[str, nn.Parameter], key: str, values: Sequence[Tensor | None]
) -> dict[str, Tensor]:
    """Return one tensor per weight under `key`, leaving out weights that have none."""
    pairs = zip(named, values, strict=False)
    return {f"{key}/{name}": value for name, value in pairs if value is not None}


def by_name(
    named: Mapping[str, nn.Parameter], key: str, state: Mapping[str, Any]
) -> list[Tensor | None]:
    """Return copies of what `named_tensors` gave out, in the order of the weights."""
    return [
        state[f"{key}/{name}"].detach().to(parameter.device, copy=True)
        if f"{key}/{name}" in state
        else None
        for name, parameter in named.items()
    ]
