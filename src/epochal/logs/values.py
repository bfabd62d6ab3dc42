"""Values on their way into logs: kept as they are now, and turned into plain numbers when read."""

from typing import Any

import numpy as np
import torch

__all__ = ["plain_number", "set_aside"]


def set_aside(value: Any) -> Any:
    """Return a value as it is now, whatever is changed in place later; it does not wait.

    Metrics and steps of a user's own may hand over what they go on updating: a tensor they add to
    in place, a metric's weight, a list.

    Example:
        >>> total = torch.tensor(1.0)
        >>> kept = set_aside([total]); _ = total.add_(1)
        >>> kept
        [tensor(1.)]
    """
    if hasattr(value, "__torch_function__"):  # a tensor, or a metric's weight that stands for one
        return torch.clone(value).detach()
    if isinstance(value, np.ndarray):
        return value.copy()
    if isinstance(value, dict):
        return {key: set_aside(item) for key, item in value.items()}
    return [set_aside(item) for item in value] if isinstance(value, (list, tuple)) else value


def plain_number(value: Any) -> Any:
    """Return a tensor or array as Python floats; this is where the host waits for the device.

    Example:
        >>> plain_number(torch.tensor(2)), plain_number(np.array([1, 2])), plain_number("text")
        (2.0, [1.0, 2.0], 'text')
    """
    if isinstance(value, float):  # nearly every value of an epoch's logs is one, or such a tensor
        return value
    if type(value) is torch.Tensor:
        value = value.tolist()
        return value if isinstance(value, float) else plain_number(value)
    if isinstance(value, dict):
        return {key: plain_number(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain_number(item) for item in value]
    if hasattr(value, "__torch_function__"):
        return plain_number(torch.clone(value).tolist())
    if isinstance(value, (np.ndarray, np.generic)):
        return plain_number(value.tolist())
    return float(value) if isinstance(value, (int, bool)) else value
