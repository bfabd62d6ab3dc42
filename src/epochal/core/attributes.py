"""What objects remember in attributes, and what they hold remembers: watched, and put back."""

import copy
import functools
import sys
import types
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from typing import Any, TypeAlias

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import DataLoader

__all__ = ["Attributes", "Owners", "holders", "members"]

Owners: TypeAlias = Mapping[str, object]
"""Objects by name."""

_CONTAINERS = (list, tuple, dict, set, deque)
_MANY = 1_000  # items of a container that is looked into at the beginning
_DEEP = 6  # steps from an owner to what is held by what it holds
_SMALL = 2**16  # bytes of a tensor or array that is copied to see a change; larger are only told
_OTHERS = {*sys.stdlib_module_names, "epochal", "numpy", "pandas", "torch"} - {"__main__"}
_OF_MODULES = set(vars(torch.nn.Module())) - {"_modules"}
_OF_MODELS = {"diverged", "fits", "initial_epoch"}
"""Attributes that each run sets itself, beside those that ask it to stop."""


def holders(owners: Owners) -> Iterator[tuple[str, object]]:
    """Yield objects by name, and what they hold: the transforms of a dataset, a closure's values.

    Args:
        owners: Where to begin.
    """
    waiting = deque((name, owner, 0) for name, owner in owners.items())
    seen: dict[int, object] = {}  # held, or another object could get the same id
    while waiting:
        name, owner, depth = waiting.popleft()
        if owner is None or id(owner) in seen:
            continue
        seen[id(owner)] = owner
        yield name, owner
        if depth < _DEEP:
            found = ((key, value) for key, value in members(owner) if _may_remember(value))
            waiting += [(f"{name}/{key}", value, depth + 1) for key, value in found]


def members(owner: object) -> Iterator[tuple[str, Any]]:
    """Yield what an object holds, by name."""
    if isinstance(owner, (list, tuple, deque, dict)):
        entries = owner.items() if isinstance(owner, dict) else enumerate(owner)
        yield from [(str(key), value) for key, value in entries]
    elif isinstance(owner, types.FunctionType):
        for name, cell in _cells(owner).items():
            yield name, cell.cell_contents
    elif isinstance(owner, types.MethodType):
        yield "self", owner.__self__
    elif isinstance(owner, functools.partial):
        yield from {"func": owner.func, "args": owner.args, "keywords": owner.keywords}.items()
    else:
        skipped = _OF_MODULES if isinstance(owner, torch.nn.Module) else ()
        found = list(getattr(owner, "__dict__", {}).items())
        yield from ((name, value) for name, value in found if name not in skipped)


class Attributes:
    """Attributes of objects, and which of them have changed since somebody began to watch.

    Numbers, text, tensors and arrays are watched, and containers of numbers and text; in objects
    that the user has written, and in samplers.

    Args:
        owners: Returns the objects.
        declared: Whether an attribute of an object is kept in another way.

    Example:
        >>> first, second = (torch.utils.data.DistributedSampler(range(4), 1, 0) for _ in range(2))
        >>> watched = Attributes(lambda: {"sampler": first})
        >>> first.set_epoch(7)
        >>> watched.changed()
        {'sampler/epoch': 7}
        >>> Attributes(lambda: {"sampler": second}).put(watched.changed())
        >>> second.epoch
        7
    """

    def __init__(
        self,
        owners: Callable[[], Owners],
        declared: Callable[[object, str], bool] | None = None,
    ) -> None:
        self._owners = owners
        self._declared = declared
        self._large: set[str] = set()
        self._then: dict[str, tuple[Any, int]] = {}
        for path, _, _, value in self._found():
            if isinstance(value, _CONTAINERS) and len(value) > _MANY:
                self._large.add(path)  # data, which is no memory
            else:
                self._then[path] = _noted(value)

    def changed(self) -> dict[str, Any]:
        """Return what has another value than at the beginning, as a checkpoint can hold it."""
        return {
            path: _described(value)
            for path, _, _, value in self._found()
            if path not in self._then or not _is_same(self._then[path], value)
        }

    def put(self, changed: Mapping[str, Any]) -> None:
        """Bring every attribute to what `changed` found, or to what it was at the beginning."""
        made = dict(changed)
        for path, owner, name, present in list(self._found()):
            if path in changed:
                _set(owner, name, present, made.pop(path))
            elif path in self._then and not _is_same(self._then[path], present):
                _set(owner, name, present, _described(self._then[path][0]))
            elif path not in self._then and hasattr(type(owner), name):
                delattr(owner, name)  # what its class has was in its place
        owners = dict(holders(self._owners())) if made else {}
        for path, value in made.items():  # not there yet, or another kind of thing so far
            holder, _, name = path.rpartition("/")
            if hasattr(owners.get(holder), "__dict__"):
                _set(owners[holder], name, None, value)

    def _found(self) -> Iterator[tuple[str, object, str, Any]]:
        for path, owner in holders(self._owners()):
            if isinstance(owner, (list, tuple, deque, dict)) or not _may_remember(owner):
                continue  # a container is an attribute of what holds it
            for name, value in members(owner):
                declared = self._declared is not None and self._declared(owner, name)
                if declared or f"{path}/{name}" in self._large:
                    continue
                runs = name in _OF_MODELS or name.startswith("stop_")
                if _is_plain(value) and not (runs and isinstance(owner, torch.nn.Module)):
                    yield f"{path}/{name}", owner, name, value


def _may_remember(value: object) -> bool:
    """Whether it holds what the user put there, as no number, class or library's object does."""
    if isinstance(value, (type, types.ModuleType, Tensor, np.ndarray, DataLoader)):
        return False
    if isinstance(value, (list, tuple, dict, deque)):
        return 0 < len(value) <= _MANY
    if isinstance(value, types.FunctionType):
        return value.__closure__ is not None and not _is_of_others(value.__module__)
    if isinstance(value, (types.MethodType, functools.partial)):
        return True
    module = type(value).__module__
    if module.startswith("torch.utils.data"):  # samplers, and datasets of datasets
        return not module.endswith("dataloader")
    return hasattr(value, "__dict__") and not _is_of_others(module)


def _is_of_others(module: str | None) -> bool:
    return (module or "").partition(".")[0] in _OTHERS


def _cells(function: types.FunctionType) -> dict[str, types.CellType]:
    found = zip(function.__code__.co_freevars, function.__closure__ or (), strict=True)
    return {name: cell for name, cell in found if cell != types.CellType()}  # some are not filled


def _is_number(value: object) -> bool:
    return value is None or isinstance(value, (bool, int, float, str, np.generic))


def _is_plain(value: object) -> bool:
    if _is_number(value):
        return True
    if isinstance(value, Tensor):
        return value.layout == torch.strided and not isinstance(value, torch.nn.Parameter)
    if isinstance(value, np.ndarray):
        return value.dtype.kind in "biufc"
    if not isinstance(value, _CONTAINERS):
        return False
    if isinstance(value, dict):
        return all(map(_is_number, value)) and all(map(_is_plain_item, value.values()))
    return all(map(_is_plain_item, value))


def _is_plain_item(value: object) -> bool:
    """Whether it may be part of a container; tensors may be a cache, which is no memory."""
    return _is_number(value) or (isinstance(value, _CONTAINERS) and _is_plain(value))


def _noted(value: Any) -> tuple[Any, int]:
    """Return a value of now, to be compared with what will be."""
    if isinstance(value, Tensor):
        small = value.numel() * value.element_size() <= _SMALL
        return (value.detach().clone() if small else value), value._version
    if isinstance(value, np.ndarray):
        return (value.copy() if value.nbytes <= _SMALL else value), 0
    return copy.deepcopy(value), 0


def _is_same(then: tuple[Any, int], now: Any) -> bool:
    value, version = then
    if value is now and isinstance(now, Tensor):
        return bool(version == now._version)
    if isinstance(now, Tensor) and isinstance(value, Tensor):
        alike = (value.shape, value.dtype) == (now.shape, now.dtype)
        return alike and value.device == now.device and torch.equal(value, now)
    if isinstance(now, np.ndarray) or isinstance(value, np.ndarray):
        return type(now) is type(value) and np.array_equal(value, now)
    return type(value) is type(now) and bool(value == now or value != value)


def _described(value: Any) -> Any:
    """Return a value as a checkpoint can hold it; a dict with other keys than text as pairs."""
    if isinstance(value, Tensor):
        return value.detach().clone()
    if isinstance(value, np.ndarray):
        return value.copy()
    if isinstance(value, dict):
        if all(isinstance(key, str) for key in value):
            return {key: _described(item) for key, item in value.items()}
        return [[key, _described(item)] for key, item in value.items()]
    if isinstance(value, _CONTAINERS):
        items = [_described(item) for item in value]
        return tuple(items) if isinstance(value, tuple) else items
    return value


def _set(owner: Any, name: str, present: Any, value: Any) -> None:
    if isinstance(present, (dict, list, set, deque)) and isinstance(value, (dict, list)):
        value = dict(value) if isinstance(present, dict) else value
        present.clear()  # in its place: others may hold it too
        (present.extend if isinstance(present, (list, deque)) else present.update)(value)
        return
    if isinstance(value, Tensor):
        value = value.to(present.device if isinstance(present, Tensor) else "cpu")
    if isinstance(owner, types.FunctionType):
        _cells(owner)[name].cell_contents = value
    elif not isinstance(owner, (types.MethodType, functools.partial)):
        setattr(owner, name, value)
