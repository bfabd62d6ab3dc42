"""The mapping that callbacks are given: a dict whose values are computed when they are read."""

from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final

from epochal.core.errors import unknown_name

__all__ = ["Logs"]

_UNREAD: Final = object()


class Logs(dict[str, Any]):
    """Values of one moment of a run, by name; each is computed when it is first read.

    It is a dict in every way (`dict(logs)`, `{**logs}`, `json.dumps(logs)`, `logs.copy()`,
    assignment seen by the callbacks that follow), so a callback never needs to know. Reading may
    wait for the device once; a `logs` that nobody reads costs next to nothing.

    Args:
        names: The names listed, in the order they are shown.
        read: Gives the value for one of `names`.
        unlisted: Values that can be asked for by name but are not listed (the learning rate while
            nothing changes it), so they reach neither the history nor a file.

    Raises:
        KeyError: On reading a name that is not there; it names the nearest one.

    Example:
        >>> logs = Logs(["loss"], lambda name: 0.25, unlisted={"lr": lambda: 0.1})
        >>> logs["loss"], {**logs}, logs["lr"], "lr" in logs
        (0.25, {'loss': 0.25}, 0.1, False)
    """

    __slots__ = ("_read", "_unlisted")

    def __init__(
        self,
        names: Iterator[str] | list[str] | tuple[str, ...],
        read: Callable[[str], Any],
        unlisted: Mapping[str, Callable[[], Any]] | None = None,
    ) -> None:
        super().__init__(dict.fromkeys(names, _UNREAD))
        self._read = read
        self._unlisted = unlisted

    def __getitem__(self, name: str) -> Any:
        value = super().get(name, self)
        if value is _UNREAD:
            value = self._read(name)
            super().__setitem__(name, value)
        elif value is self:
            if self._unlisted is not None and name in self._unlisted:
                return self._unlisted[name]()
            raise KeyError(unknown_name("log", name, [*self, *(self._unlisted or ())]))
        return value

    def get(self, name: str, default: Any = None) -> Any:
        if name in self or (self._unlisted is not None and name in self._unlisted):
            return self[name]
        return default

    # CPython copies a dict subclass without asking it, unless it iterates in its own way; this
    # method is what makes `dict(logs)` and `{**logs}` read the values.
    def __iter__(self) -> Iterator[str]:
        return super().__iter__()

    def items(self) -> Any:
        return self._complete().items()

    def values(self) -> Any:
        return self._complete().values()

    def copy(self) -> dict[str, Any]:
        return dict(self._complete())

    def pop(self, name: str, *default: Any) -> Any:
        if name in self:
            self[name]  # compute it while it can be found
        return super().pop(name, *default)

    def popitem(self) -> tuple[str, Any]:
        self._complete()
        return super().popitem()

    def setdefault(self, name: str, default: Any = None) -> Any:
        if name not in self:
            self[name] = default
        return self[name]

    def __or__(self, other: Any) -> Any:
        return self._complete() | other

    def __ror__(self, other: Any) -> Any:
        return other | self._complete()

    def __eq__(self, other: object) -> bool:
        return self._complete() == other

    def __ne__(self, other: object) -> bool:
        return not self == other

    __hash__ = None  # type: ignore[assignment]  # as a dict has none

    def __repr__(self) -> str:
        return repr(self._complete())

    def __reduce__(self) -> tuple[type, tuple[dict[str, Any]]]:
        return dict, (self._complete(),)

    def _complete(self) -> dict[str, Any]:
        return {name: self[name] for name in self}
