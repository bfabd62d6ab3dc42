"""Things found by name: `"adam"`, `"Adam"`, `"mse"`; and how a class name becomes such a name."""

import re
from collections.abc import Callable, Iterator
from typing import Generic, TypeVar

from epochal.core.errors import UsageError, unknown_name

__all__ = ["Registry", "snake_case", "unique_name"]

T = TypeVar("T")


def snake_case(name: str) -> str:
    """Return Keras' name for a class.

    Example:
        >>> snake_case("BinaryAccuracy"), snake_case("Conv2D"), snake_case("IoU")
        ('binary_accuracy', 'conv2d', 'io_u')
    """
    name = re.sub(r"(.)([A-Z][a-z0-9]+)", r"\1_\2", name)
    name = re.sub(r"([a-z])([A-Z])", r"\1_\2", name)
    return name.lower()


def unique_name(name: str, taken: Callable[[str], bool]) -> str:
    """Return `name`, or the first of `name_1`, `name_2`, ... that is not taken yet.

    Example:
        >>> unique_name("dense", {"dense", "dense_1"}.__contains__)
        'dense_2'
    """
    unique, count = name, 0
    while taken(unique):
        count += 1
        unique = f"{name}_{count}"
    return unique


class Registry(Generic[T]):
    """The names one kind of thing can be asked for by.

    A thing answers to its own name, that name in snake case, and its aliases.

    Args:
        kind: What errors call such a thing.
        fill: Adds the things that are known from the start, when the first name is asked for or
            added; for things whose modules are not to be imported before.

    Example:
        >>> shapes = Registry[type]("shape")
        >>> shapes.add(type("RoundThing", (), {}), "round")
        >>> shapes["round"] is shapes["RoundThing"] is shapes["round_thing"]
        True
        >>> shapes["rond"]
        Traceback (most recent call last):
            ...
        epochal.core.errors.UsageError: unknown shape 'rond': did you mean 'round'? \
        Valid: 'round_thing', 'round'.
    """

    def __init__(self, kind: str, fill: Callable[[], None] | None = None) -> None:
        self.kind = kind
        self._fill = fill
        self._things: dict[str, T] = {}
        self._listed: list[str] = []

    def add(self, thing: T, *aliases: str) -> None:
        """Register a class or function under its own name and under `aliases`."""
        self._be_filled()
        own: str = thing.__name__  # type: ignore[attr-defined]
        for name in (own, snake_case(own), *aliases):
            self._things[name] = thing
        self._listed += [snake_case(own), *aliases]

    def __getitem__(self, name: str) -> T:
        self._be_filled()
        if name not in self._things:
            raise UsageError(unknown_name(self.kind, name, self._listed))
        return self._things[name]

    def __contains__(self, name: object) -> bool:
        self._be_filled()
        return name in self._things

    def __iter__(self) -> Iterator[str]:
        self._be_filled()
        return iter(self._listed)

    def _be_filled(self) -> None:
        if self._fill is not None:
            fill, self._fill = self._fill, None  # which adds things, and so comes back here
            fill()
