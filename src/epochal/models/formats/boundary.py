"""Where a stranger's file ends: whatever it describes, there is a model or one kind of error."""

import contextlib
from collections.abc import Iterator, Mapping
from typing import Any

from epochal.core.errors import EpochalError, UsageError, printable

__all__ = ["check_size", "reading"]

# Making one takes a millisecond; the deepest nets of the literature have some 1,000.
_MAX_LAYERS = 2_000


@contextlib.contextmanager
def reading(call: str) -> Iterator[None]:
    """Turn whatever a description that nobody foresaw leads to into a `UsageError`.

    A file can put any value at any place; most are refused by name, and for the rest Python's and
    torch's own errors, of which there are dozens, are chained to this one.

    Args:
        call: Named in the error.

    Raises:
        UsageError: For every error inside of the block that is not epochal's own.
    """
    try:
        yield
    except (EpochalError, OSError, Warning):
        raise
    except Exception as error:
        reason = printable(str(error).partition("\n")[0])
        raise UsageError(
            f"{call}: the file describes what cannot be made ({type(error).__name__}: {reason}); "
            "it is damaged, or needs classes of yours in custom_objects"
        ) from error


def check_size(description: Any, call: str) -> None:
    """Refuse a description of more layers than any network has: each costs time and memory.

    Raises:
        UsageError: If models in it have more than 2,000 layers together.
    """
    layers = 0
    waiting = [description]
    while waiting:
        item = waiting.pop()
        if isinstance(item, Mapping):
            for key in ("layers", "modules"):
                inside = item.get(key)
                layers += len(inside) if isinstance(inside, list) else 0
            waiting.extend(item.values())
        elif isinstance(item, list):
            waiting.extend(item)
    if layers > _MAX_LAYERS:
        raise UsageError(
            f"{call}: the file describes {layers:,} layers, and at most {_MAX_LAYERS:,} are made"
        )
