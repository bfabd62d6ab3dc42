"""Models made from descriptions, first without values.

What a description declares costs no memory (torch's meta device) until the file's own weights have
been seen to have the same shapes: three words of JSON can ask for a layer of a terabyte.
"""

from collections.abc import Callable
from typing import Any

import torch
from torch import nn

from epochal.core.errors import UsageError

__all__ = ["build", "settle"]


def build(make: Callable[[], Any], *, trusted: bool) -> Any:
    """Return the model that `make` makes, without values where that is possible.

    Args:
        make: Makes it.
        trusted: Whether classes of the caller's own are in it; these may need values.
    """
    try:
        with torch.device("meta"):
            return make()
    except UsageError:
        raise
    except RuntimeError:
        if not trusted:
            raise
        return make()


def settle(model: nn.Module, again: Callable[[], Any], call: str) -> Any:
    """Return a model whose weights were read, with values for all that no file holds.

    Classes of the caller's own may keep tensors that no file holds (tables made in `__init__`). The
    model is then made once more with values, and takes over the weights.
    """
    empty = [name for name, tensor in _tensors(model).items() if tensor.is_meta]
    if not empty:
        device = torch.get_default_device()
        return model if device.type == "cpu" else model.to(device)
    made = again()
    with torch.no_grad():
        own = _tensors(made)
        for name, tensor in _tensors(model).items():
            if name not in own:
                raise UsageError(f"{call}: {name} is made once and not the next time")
            if not tensor.is_meta:
                own[name].copy_(tensor)
    return made


def _tensors(model: nn.Module) -> dict[str, torch.Tensor]:
    return {**dict(model.named_parameters()), **dict(model.named_buffers())}
