"""Nests of arrays (mappings, lists, tuples, dataclasses): several inputs, outputs, one batch."""

import dataclasses
from collections.abc import Callable, Iterator, Mapping
from typing import Any

__all__ = ["flatten", "is_record", "leaves_with_paths", "map_leaves", "pick"]


def map_leaves(function: Callable[..., Any], tree: Any, *rest: Any) -> Any:
    """Return a tree of the same shape, each leaf replaced by `function` of it.

    Args:
        function: Called with one leaf, and with the leaves of `rest` at the same place.
        tree: A leaf, or mappings, lists, tuples, named tuples and dataclasses of leaves; `None`
            holds no leaf.
        rest: Further trees of the same shape.

    Example:
        >>> map_leaves(lambda a: a + 1, {"a": 1, "b": (2, [3])})
        {'a': 2, 'b': (3, [4])}
    """
    if tree is None:
        return None
    if isinstance(tree, Mapping):
        return {key: map_leaves(function, tree[key], *(r[key] for r in rest)) for key in tree}
    if isinstance(tree, tuple) and hasattr(tree, "_fields"):
        return type(tree)(
            *(map_leaves(function, *items) for items in zip(tree, *rest, strict=True))
        )
    if isinstance(tree, (list, tuple)):
        return type(tree)(map_leaves(function, *items) for items in zip(tree, *rest, strict=True))
    if is_record(tree):
        named = {
            field.name: map_leaves(
                function, getattr(tree, field.name), *(getattr(r, field.name) for r in rest)
            )
            for field in dataclasses.fields(tree)
        }
        return dataclasses.replace(tree, **named)
    return function(tree, *rest)


def leaves_with_paths(tree: Any, path: str = "") -> Iterator[tuple[str, Any]]:
    """Yield every leaf with where it stands, written as Python would (`["image"]`, `[0]`).

    Example:
        >>> list(leaves_with_paths({"a": 1, "b": (2, None)}, "x"))
        [("x['a']", 1), ("x['b'][0]", 2)]
    """
    if tree is None:
        return
    if isinstance(tree, Mapping):
        for key, item in tree.items():
            yield from leaves_with_paths(item, f"{path}[{key!r}]")
    elif isinstance(tree, (list, tuple)):
        for index, item in enumerate(tree):
            yield from leaves_with_paths(item, f"{path}[{index}]")
    elif is_record(tree):
        for field in dataclasses.fields(tree):
            yield from leaves_with_paths(getattr(tree, field.name), f"{path}.{field.name}")
    else:
        yield path, tree


def flatten(tree: Any) -> list[Any]:
    """Return the leaves of a tree in order.

    Example:
        >>> flatten({"a": 1, "b": (2, [3, None])})
        [1, 2, 3]
    """
    return [leaf for _, leaf in leaves_with_paths(tree)]


def is_record(tree: Any) -> bool:
    """Return whether it is an object of a dataclass."""
    return hasattr(type(tree), "__dataclass_fields__")


def pick(tree: Any, key: Any) -> Any:
    """Return a part of a tree by its key, its index, or the name of its field.

    Example:
        >>> pick({"a": 1}, "a"), pick((1, 2), 1)
        (1, 2)
    """
    return getattr(tree, key) if is_record(tree) and not isinstance(tree, Mapping) else tree[key]
