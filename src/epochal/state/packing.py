"""A tree with tensors in it as tensors by name and a tree without, as a checkpoint holds them."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from torch import Tensor

from epochal.core.errors import UsageTypeError

__all__ = ["pack", "unpack"]

_TENSOR, _ARRAY, _NUMBER = "$tensor", "$array", "$number"


def pack(tree: Any, what: str = "the state") -> tuple[dict[str, Tensor], Any]:
    """Return the tensors of a tree by their path, and the tree with these names in their places.

    Args:
        tree: Dicts with text keys, lists, tuples, tensors, NumPy arrays, text, numbers and None.
        what: Whose state it is, for errors.

    Raises:
        UsageTypeError: If it holds something else.

    Example:
        >>> tensors, plain = pack({"w": torch.ones(2), "n": 1})
        >>> plain, unpack(tensors, plain)
        ({'w': {'$tensor': 'w'}, 'n': 1}, {'w': tensor([1., 1.]), 'n': 1})
    """
    tensors: dict[str, Tensor] = {}
    return tensors, _packed(tree, "", what, tensors)


def _packed(value: Any, path: str, what: str, tensors: dict[str, Tensor]) -> Any:
    if isinstance(value, Tensor):
        tensors[path] = value.detach()
        return {_TENSOR: path}
    if isinstance(value, (np.ndarray, np.generic)):
        tensors[path] = torch.from_numpy(np.array(value))
        return {_NUMBER if isinstance(value, np.generic) else _ARRAY: path}
    if isinstance(value, Mapping):
        odd = [key for key in value if not isinstance(key, str)]
        if odd:
            raise UsageTypeError(
                f"{what}: {path or 'it'} has the key {odd[0]!r}; a checkpoint holds dicts with "
                "text keys"
            )
        return {
            key: _packed(item, f"{path}/{key}".lstrip("/"), what, tensors)
            for key, item in value.items()
        }
    if isinstance(value, (list, tuple)):
        items = [
            _packed(item, f"{path}/{index}".lstrip("/"), what, tensors)
            for index, item in enumerate(value)
        ]
        return items if isinstance(value, list) else tuple(items)
    if value is None or isinstance(value, bool):
        return value
    for kind in (str, int, float):
        if isinstance(value, kind):
            return kind(value)  # a class of its own, such as a learning rate's, is a number here
    raise UsageTypeError(
        f"{what}: {path or 'it'} is a {type(value).__name__}, which a checkpoint cannot hold; keep "
        "tensors, arrays, numbers, text, and lists, tuples and dicts of them"
    )


def unpack(tensors: Mapping[str, Tensor], plain: Any) -> Any:
    """Return the tree that `pack` was given."""
    if isinstance(plain, dict):
        if set(plain) == {_TENSOR}:
            return tensors[plain[_TENSOR]]
        if set(plain) == {_ARRAY}:
            return tensors[plain[_ARRAY]].numpy()
        if set(plain) == {_NUMBER}:
            return tensors[plain[_NUMBER]].numpy()[()]
        return {key: unpack(tensors, item) for key, item in plain.items()}
    if isinstance(plain, (list, tuple)):
        items = [unpack(tensors, item) for item in plain]
        return items if isinstance(plain, list) else tuple(items)
    return plain
