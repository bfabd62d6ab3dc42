"""Finding NaN and infinity before they make every number of a run NaN."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import torch

from epochal.core.trees import leaves_with_paths

__all__ = ["column_labels", "non_finite"]

_SHOWN = 10


def non_finite(
    labels: Mapping[str, Sequence[object]] | None = None, /, **named: Any
) -> Iterator[str]:
    """Yield one clause for each array that holds NaN or infinity: how many, and in which columns.

    Args:
        labels: What to call the columns, by the array's name; their numbers by default.
        named: The arrays, or nests of them.

    Example:
        >>> list(non_finite(x=torch.tensor([[1.0, float("nan")], [2.0, 3.0]])))
        ['x holds 1 non-finite of 4 values (column 1)']
    """
    for name, tree in named.items():
        for path, leaf in leaves_with_paths(tree, name):
            # A finite sum proves every entry finite at the price of one pass without a copy.
            if not leaf.is_floating_point() or bool(torch.isfinite(leaf.sum())):
                continue
            bad = ~torch.isfinite(leaf)
            count = int(bad.sum())
            if not count:  # large numbers, whose sum alone is infinite
                continue
            text = f"{path} holds {count} non-finite of {leaf.numel()} values"
            if leaf.ndim == 2 and leaf.shape[1] > 1:
                calls = (labels or {}).get(path, range(leaf.shape[1]))
                columns = [repr(calls[i]) for i in bad.any(0).nonzero().flatten().tolist()]
                shown = ", ".join(columns[:_SHOWN]) + (", ..." if len(columns) > _SHOWN else "")
                text += f" (column{'s' if len(columns) > 1 else ''} {shown})"
            yield text


def column_labels(**named: Any) -> dict[str, Sequence[object]]:
    """Return the names of the columns of pandas frames, by the arrays' names.

    Args:
        named: What the user passed, before it became tensors; frames, or dicts of them.
    """
    labels: dict[str, Sequence[object]] = {}
    for name, data in named.items():
        nest = (
            {f"{name}[{key!r}]": item for key, item in data.items()} if type(data) is dict else {}
        )
        for path, item in {name: data, **nest}.items():
            if hasattr(item, "columns") and hasattr(item, "to_numpy"):
                labels[path] = list(item.columns)
    return labels
