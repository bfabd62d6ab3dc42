"""Nested mappings, lists and tuples of arrays: several inputs, several outputs, one batch."""

from collections.abc import Callable, Iterator, Mapping
from typing import Any

__all__ = ["flatten", "leaves_with_paths", "map_leaves"]


def map_leaves(function: Callable[..., Any], tree: Any, *rest: Any) -> Any:
    """Return a tree of the same shape, each leaf replaced by `function` of it.

    Args:
        function: Called with one leaf, and with the leaves of `rest` at the same place.
        tree: A leaf, or mappings, lists, tuples and named tuples of leaves; `None` holds no leaf.
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
    else:
        yield path, tree


def flatten(tree: Any) -> list[Any]:
    """Return the leaves of a tree in order.

    Example:
        >>> flatten({"a": 1, "b": (2, [3, None])})
        [1, 2, 3]
    """
    return [leaf for _, leaf in leaves_with_paths(tree)]
