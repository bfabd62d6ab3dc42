"""Classes and functions of the user's own that files may name: listed by their author alone."""

import functools
import inspect
from collections.abc import Callable, Mapping
from typing import Any, Never, TypeVar

import torch
from torch import nn

from epochal import layers
from epochal.core.errors import UsageError, UsageTypeError, reject_unknown
from epochal.layers import Layer
from epochal.models.classes import is_model_class

__all__ = ["Opaque", "arguments_of", "name_of", "register", "registered"]

_T = TypeVar("_T", bound=Callable[..., Any])
_THINGS: dict[str, Any] = {}
_NAMES: dict[Any, str] = {}
_MADE_WITH = "_made_with"  # in the instance, so that copies have it


class Opaque:
    """Stands for an argument that no file can hold.

    Args:
        value: The argument; only what it is is kept of it.
    """

    def __init__(self, value: object) -> None:
        self.kind = type(value).__name__


def register(name: str, **unknown: Never) -> Callable[[_T], _T]:
    """Let files name a class or function of yours; use it as a decorator.

    Of a `torch.nn.Module` it also notes what each object is made with, so that `save` can describe
    it in a `.epochal` file and `load_model` make it again. A loss, metric or layer is found by the
    name in every format. Nothing is ever imported because a file says so: the program that loads
    has to have run the decorator.

    Args:
        name: What files call it; it outlives renaming the class.

    Raises:
        UsageError: If something else has the name.
        UsageTypeError: If no name is given, or the thing is no class or function.

    Example:
        >>> import epochal, tempfile
        >>> @register("docs.Net")
        ... class Net(nn.Module):
        ...     def __init__(self, width):
        ...         super().__init__()
        ...         self.layer = nn.Linear(2, width)
        ...     def forward(self, x):
        ...         return self.layer(x)
        >>> path = f"{tempfile.mkdtemp()}/net.epochal"
        >>> epochal.Model(Net(width=3)).save(path)
        >>> epochal.models.load_model(path).network.layer.out_features
        3
    """
    reject_unknown(register, unknown)
    given: object = name  # widened: the annotation promises what is checked here
    if not isinstance(given, str):
        own = getattr(given, "__name__", "name")
        raise UsageTypeError(f'register: got {given!r}; write @epochal.register("{own}")')
    if not name or not name.isprintable() or len(name) > 200:
        raise UsageError(f"register: {name[:60]!r} is no name; give one that shows")

    def note(thing: _T) -> _T:
        if not (inspect.isclass(thing) or inspect.isfunction(thing)):
            raise UsageTypeError(f"register({name!r}): got {thing!r}; give a class or a function")
        _check_free(name, thing)
        _THINGS[name] = thing
        _NAMES[thing] = name
        if inspect.isclass(thing) and issubclass(thing, Layer):
            layers.register(thing, name)
        elif inspect.isclass(thing) and issubclass(thing, nn.Module):
            _record(thing)
        return thing

    return note


def _check_free(name: str, thing: Any) -> None:
    other = _THINGS.get(name)
    if is_model_class(name) or name.startswith(("torch.", "epochal.")):
        raise UsageError(f"register: {name!r} is a name of epochal's own; choose another")
    if other is None:
        return
    again = (other.__module__, other.__qualname__) == (
        thing.__module__,
        thing.__qualname__,
    )
    if not again:  # a class that a notebook defines once more takes the place of its old self
        raise UsageError(
            f"register: {name!r} is {other.__module__}.{other.__qualname__} already; choose "
            "another name, such as one that begins with your project's"
        )


def name_of(thing: Any) -> str | None:
    """Return the name that a class or function was registered under."""
    return _NAMES.get(thing)


def registered() -> Mapping[str, Any]:
    """Return everything registered, by name."""
    return _THINGS


def arguments_of(module: nn.Module) -> dict[str, Any] | None:
    """Return what a registered module was made with; None if nobody noted it."""
    found: dict[str, Any] | None = vars(module).get(_MADE_WITH)
    return found


def _record(cls: type[nn.Module]) -> None:
    """Let objects of a class remember their constructor's arguments."""
    plain = cls.__init__
    signature = inspect.signature(plain)

    @functools.wraps(plain)
    def init(self: nn.Module, *args: Any, **keywords: Any) -> None:
        kept = None
        if type(self) is cls:  # of a subclass, its own constructor's arguments are what counts
            kept = _kept(signature, self, args, keywords)
        plain(self, *args, **keywords)
        if kept is not None:
            vars(self)[_MADE_WITH] = kept

    cls.__init__ = init  # type: ignore[method-assign]  # what the decorator is asked for


def _kept(
    signature: inspect.Signature, module: nn.Module, args: Any, keywords: Any
) -> dict[str, Any] | None:
    """Return the arguments by name as they are before the constructor can change them."""
    try:
        bound = signature.bind(module, *args, **keywords)
    except TypeError:
        return None  # the constructor itself says it better
    bound.apply_defaults()
    kept: dict[str, Any] = {}
    for number, (name, value) in enumerate(bound.arguments.items()):
        parameter = signature.parameters[name]
        if number == 0:
            continue  # self
        if parameter.kind is parameter.VAR_KEYWORD:
            kept |= {key: _frozen(item) for key, item in value.items()}
        elif parameter.kind in (parameter.VAR_POSITIONAL, parameter.POSITIONAL_ONLY):
            if value != ():
                kept[name] = Opaque(value)  # cannot be given by name
        else:
            frozen = _frozen(value)
            # A default that no file can hold needs none: it is there again.
            if not (isinstance(frozen, Opaque) and value is parameter.default):
                kept[name] = frozen
    return kept


def _frozen(value: Any) -> Any:
    """Return a copy of nested lists and dicts; modules and classes stay themselves."""
    if isinstance(value, (list, tuple)) and type(value) in (list, tuple, torch.Size):
        kind = list if isinstance(value, list) else tuple
        return kind(_frozen(item) for item in value)
    if type(value) is dict and all(type(key) is str for key in value):
        return {key: _frozen(item) for key, item in value.items()}
    if value is None or type(value) in (bool, int, float, str):
        return value
    named = inspect.isclass(value) or inspect.isfunction(value)
    return value if named or isinstance(value, (nn.Module, torch.dtype)) else Opaque(value)
