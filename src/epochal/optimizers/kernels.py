"""Which of torch's kernels an update can use."""

from collections.abc import Sequence
from typing import TypedDict

from torch import nn

__all__ = ["Foreach", "Fused", "foreach", "fused"]


class Fused(TypedDict, total=False):
    """Arguments for the constructor of a torch optimizer that has a fused kernel."""

    fused: bool


class Foreach(TypedDict, total=False):
    """Arguments for the constructor of a torch optimizer that has none."""

    foreach: bool


def fused(parameters: Sequence[nn.Parameter]) -> Fused:
    """Return the arguments for one kernel per update, or torch's choice where there is none."""
    if all(p.is_floating_point() and p.device.type in ("cpu", "cuda") for p in parameters):
        return {"fused": True}
    return {}


def foreach(parameters: Sequence[nn.Parameter]) -> Foreach:
    """Return the arguments for updates of all weights together, for algorithms without a kernel."""
    return {"foreach": True} if all(p.is_floating_point() for p in parameters) else {}
