"""Errors that say what was got, what was expected and what to do, with the nearest valid name."""

import difflib
import inspect
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

__all__ = [
    "EpochalError",
    "Problems",
    "UsageError",
    "UsageTypeError",
    "printable",
    "reject_unknown",
    "unknown_name",
]

_MOST_COMPARED, _MOST_LISTED = 2000, 500


class EpochalError(Exception):
    """Base of every error that epochal raises on purpose."""


class UsageError(EpochalError, ValueError):
    """A call cannot work as it was made; nothing has been harmed."""


class UsageTypeError(UsageError, TypeError):
    """A call got an argument of a kind it cannot take, or one it does not know."""


def printable(text: str, limit: int = 300) -> str:
    r"""Return text with everything that does not show written out, and cut at a limit.

    Use it for what a file says: a name may hold the commands by which a terminal is cleared,
    renamed, or made to type.

    Example:
        >>> printable("a\x1b[2Jb")
        'a\\x1b[2Jb'
    """
    if len(text) > limit:
        text = text[:limit] + "..."
    return "".join(c if c.isprintable() else repr(c)[1:-1] for c in text)


def unknown_name(kind: str, name: object, valid: Iterable[str]) -> str:
    """Return one sentence about a name nobody knows: the nearest valid one, then all of them.

    Args:
        kind: What the name stands for, as a noun ("optimizer", "metric to monitor").
        name: What was got.
        valid: Every name that would have worked.

    Example:
        >>> unknown_name("optimizer", "adm", ["sgd", "adam"])
        "unknown optimizer 'adm': did you mean 'adam'? Valid: 'sgd', 'adam'."
    """
    names = list(dict.fromkeys(valid))
    text = f"unknown {kind} {name!r}"
    # Without regard to case: "Val_Loss" is nearer to "val_loss" than letters say.
    lowered = {str(known).lower(): known for known in reversed(names)}
    # Names may come from a file: of a hundred thousand, comparing would take minutes.
    compared = list(lowered)[:_MOST_COMPARED]
    near = difflib.get_close_matches(str(name).lower(), compared, n=1, cutoff=0.5)
    text += f": did you mean {lowered[near[0]]!r}?" if near else "."
    listed = ", ".join(map(repr, names[:_MOST_LISTED])) or "none"
    more = f", and {len(names) - _MOST_LISTED:,} more" if len(names) > _MOST_LISTED else ""
    return f"{text} Valid: {listed}{more}."


class Problems:
    """Everything wrong with one call, reported together.

    Example:
        >>> problems = Problems("Model.fit")
        >>> problems.add("epochs is -1; give a number of epochs, 0 or more")
        >>> problems.raise_if_any()
        Traceback (most recent call last):
            ...
        epochal.core.errors.UsageError: Model.fit: epochs is -1; give a number of epochs, 0 or more
    """

    def __init__(self, call: str) -> None:
        self.call = call
        self._texts: list[str] = []
        self._of_type = False

    def add(self, text: str, *, of_type: bool = False) -> None:
        """Note one problem; `of_type` marks those that make the error a `TypeError` too."""
        if text not in self._texts:
            self._texts.append(text)
        self._of_type |= of_type

    def __bool__(self) -> bool:
        return bool(self._texts)

    def __iter__(self) -> Iterator[str]:
        return iter(self._texts)

    def raise_if_any(self) -> None:
        """Raise one error that lists every problem noted so far.

        Raises:
            UsageError: If anything was noted (a `UsageTypeError` if any of it was of type).
        """
        if not self._texts:
            return
        error = UsageTypeError if self._of_type else UsageError
        if len(self._texts) == 1:
            raise error(f"{self.call}: {self._texts[0]}")
        lines = "\n".join(f"  {i}. {text}" for i, text in enumerate(self._texts, 1))
        raise error(f"{self.call}: {len(self._texts)} problems:\n{lines}")


def reject_unknown(
    function: Callable[..., Any], unknown: Mapping[str, object], call: str | None = None
) -> None:
    """Refuse keyword arguments that `function` does not name, pointing at the nearest one.

    Public callables end in `**unknown: Never`, so that a type checker refuses a misspelt argument
    and this function names the right one at run time.

    Raises:
        UsageTypeError: If `unknown` holds anything.
    """
    if not unknown:
        return
    name = call or function.__qualname__.removesuffix(".__init__")
    parameters = inspect.signature(function).parameters.values()
    valid = [p.name for p in parameters if p.kind in (p.POSITIONAL_OR_KEYWORD, p.KEYWORD_ONLY)]
    problems = Problems(name)
    for argument in unknown:
        problems.add(
            unknown_name("argument", argument, (n for n in valid if n != "self")), of_type=True
        )
    problems.raise_if_any()
