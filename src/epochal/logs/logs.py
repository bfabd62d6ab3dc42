"""The mapping that callbacks are given: a dict whose values are computed when they are read."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, Final

from typing_extensions import override

from epochal.core.errors import unknown_name

__all__ = ["Logs"]

_UNREAD: Final = object()


class Logs(dict[str, Any]):
    """Values of one moment of a run, by name; each is computed when it is first read.

    It is a dict in every way (`dict(logs)`, `{**logs}`, `json.dumps(logs)`, `logs.copy()`,
    assignment seen by the callbacks that follow), so a callback never needs to know. Reading may
    wait for the device once; a `logs` that nobody reads costs next to nothing.

    Args:
        names: The names listed, in the order they are shown. Without `read`, what a dict is made
            of: code that rebuilds a mapping with `type(logs)(...)` gets its values.
        read: Gives the value for one of `names`.
        unlisted: Values that can be asked for by name but are not listed (the learning rate while
            nothing changes it), so they reach neither the history nor a file. Kept as it is.

    Raises:
        KeyError: On reading a name that is not there; it names the nearest one.

    Example:
        >>> logs = Logs(["loss"], lambda name: 0.25, unlisted={"lr": 0.1})
        >>> logs["loss"], {**logs}, logs["lr"], "lr" in logs
        (0.25, {'loss': 0.25}, 0.1, False)
    """

    __slots__ = ("_read", "_unlisted")

    def __init__(
        self,
        names: Iterable[Any] = (),
        read: Callable[[str], Any] | None = None,
        unlisted: Mapping[str, Any] | None = None,
    ) -> None:
        if read is None:
            super().__init__(names)
        else:
            super().__init__(dict.fromkeys(names, _UNREAD))
        self._read = read
        self._unlisted = unlisted or {}

    @override
    def __getitem__(self, name: str) -> Any:
        value = super().__getitem__(name)  # asks __missing__ for a name that is not listed
        if value is _UNREAD and self._read is not None:
            value = self._read(name)
            super().__setitem__(name, value)
        return value

    def __missing__(self, name: str) -> Any:
        if name in self._unlisted:
            return self._unlisted[name]
        raise KeyError(unknown_name("log", name, [*self, *self._unlisted]))

    @override
    def get(self, name: str, default: Any = None) -> Any:
        return self[name] if name in self or name in self._unlisted else default

    # CPython copies a dict subclass without asking it, unless it iterates in its own way; this
    # method is what makes `dict(logs)` and `{**logs}` read the values.
    @override
    def __iter__(self) -> Iterator[str]:
        return super().__iter__()

    # Whatever else sees values reads them all first, and is then the dict's own.

    @override
    def items(self) -> Any:
        self._read_all()
        return super().items()

    @override
    def values(self) -> Any:
        self._read_all()
        return super().values()

    @override
    def copy(self) -> dict[str, Any]:
        return dict(self)

    @override
    def pop(self, name: str, *default: Any) -> Any:
        if name in self:
            self[name]  # compute it while it can be found
        return super().pop(name, *default)

    @override
    def popitem(self) -> tuple[str, Any]:
        self._read_all()
        return super().popitem()

    @override
    def setdefault(self, name: str, default: Any = None) -> Any:
        if name not in self:
            self[name] = default
        return self[name]

    @override
    def __or__(self, other: Any) -> Any:
        return dict(self) | other if isinstance(other, dict) else NotImplemented

    @override
    def __ror__(self, other: Any) -> Any:
        return other | dict(self)

    @override
    def __eq__(self, other: object) -> bool:
        return dict(self) == (dict(other) if isinstance(other, Logs) else other)

    @override
    def __ne__(self, other: object) -> bool:
        return not self == other

    @override
    def __repr__(self) -> str:
        return repr(dict(self))

    @override
    def __reduce__(self) -> tuple[type, tuple[dict[str, Any]]]:
        return dict, (dict(self),)

    def _read_all(self) -> None:
        for name in self:
            self[name]
