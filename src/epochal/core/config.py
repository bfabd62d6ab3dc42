"""`get_config` / `from_config` for what keeps its constructor's arguments under their own names."""

import inspect
from collections.abc import Mapping
from typing import Any, Self

import numpy as np
import torch

from epochal.core.errors import UsageError

__all__ = ["Configurable", "plain"]


def plain(value: Any) -> Any:
    """Return `value` as JSON can hold it: configurable objects become `class_name` and `config`.

    Functions and types stand for themselves by name, tuples, arrays and tensors become lists; what
    JSON holds stays as it is.

    Example:
        >>> plain({"size": (2, np.int64(3)), "dtype": torch.float32, "start": np.zeros(2)})
        {'size': [2, 3], 'dtype': 'float32', 'start': [0.0, 0.0]}
    """
    if isinstance(value, Configurable):
        return {"class_name": type(value).__name__, "config": value.get_config()}
    if isinstance(value, Mapping):
        return {key: plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(item) for item in value]
    if isinstance(value, (np.ndarray, np.generic, torch.Tensor)):
        return value.tolist()
    if isinstance(value, torch.dtype):
        return str(value).removeprefix("torch.")
    if callable(value):
        return getattr(value, "__name__", type(value).__name__)
    return value


class Configurable:
    """Something that can be rebuilt from its constructor's arguments.

    The one rule for subclasses: keep every constructor argument in an attribute of the same name.

    Example:
        >>> class Scale(Configurable):
        ...     def __init__(self, factor=2.0):
        ...         self.factor = factor
        >>> Scale(3.0).get_config()
        {'factor': 3.0}
        >>> Scale.from_config({"factor": 3.0}).factor
        3.0
    """

    def get_config(self) -> dict[str, Any]:
        """Return the constructor's arguments as JSON can hold them.

        Raises:
            UsageError: If an argument is not kept in the attribute of its name.
        """
        parameters = inspect.signature(type(self).__init__).parameters.values()
        skip = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)
        names = [p.name for p in parameters if p.name != "self" and p.kind not in skip]
        missing = [name for name in names if not hasattr(self, name)]
        if missing:
            raise UsageError(
                f"{type(self).__name__}.get_config: the constructor's arguments {missing} are not "
                "kept; set an attribute of the same name for each, or override get_config"
            )
        return {name: plain(getattr(self, name)) for name in names}

    @classmethod
    def from_config(cls, config: Mapping[str, Any]) -> Self:
        """Return a new object made from what `get_config` returned."""
        return cls(**config)
