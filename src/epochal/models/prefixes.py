"""Names without what wrapping, compiling and distributing puts before them.

`torch.compile` holds a module under `_orig_mod`, `DistributedDataParallel` and its like under
`module`, `Model(module)` under `network`. None of that belongs to what the user wrote, and weights
saved with it fit nothing else.
"""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, NamedTuple

from torch import Tensor, nn

__all__ = ["PlainNames", "bare", "held_by_wrapper", "match", "shown_places", "without_wrappers"]

_WRAPPERS = ("_orig_mod", "module", "network")
_OF_TORCH = (nn.DataParallel, nn.parallel.DistributedDataParallel)


def held_by_wrapper(module: nn.Module) -> str | None:
    """Return the attribute that holds what a module wraps; None if it wraps nothing.

    What `torch.compile` returns wraps a module, and so does a module without weights of its own
    that has one child, called `module`.

    Example:
        >>> held_by_wrapper(nn.DataParallel(nn.Linear(1, 1))), held_by_wrapper(nn.Linear(1, 1))
        ('module', None)
    """
    children = module._modules
    if "_orig_mod" in children:
        return "_orig_mod"
    if isinstance(module, PlainNames):
        return module._wraps
    tensors = [*module._parameters.values(), *module._buffers.values()]
    return "module" if list(children) == ["module"] and not tensors else None


def without_wrappers(module: nn.Module) -> nn.Module:
    """Return the module inside of however many wrappers of torch's or epochal's own."""
    held = held_by_wrapper(module)
    known = held in ("_orig_mod", "network") or isinstance(module, _OF_TORCH)
    inner = None if held is None or not known else module._modules[held]
    return module if inner is None else without_wrappers(inner)


def match(names: Iterable[str], own: Iterable[str]) -> dict[str, str]:
    """Return which name of a model each name of a file stands for, whatever wrapped either.

    Prefixes of wrappers are passed over, anywhere and however often, but only where what remains
    is one name of the model and one of the file; all else stands for itself.

    Example:
        >>> match(["_orig_mod.module.0.weight", "odd"], ["0.weight", "0.bias"])
        {'_orig_mod.module.0.weight': '0.weight', 'odd': 'odd'}
    """
    found, known = list(names), set(own)
    meant = {name: name for name in found}
    here = _by_bare_name(known.difference(found))
    for bare, given in _by_bare_name(name for name in found if name not in known).items():
        if len(given) == 1 and len(here.get(bare, ())) == 1:
            meant[given[0]] = here[bare][0]
    return meant


def bare(names: list[str]) -> dict[str, str]:
    """Return names without wrappers' prefixes where no model tells what is one.

    Example:
        >>> bare(["module._orig_mod.a", "module.b.module.c"])
        {'module._orig_mod.a': 'a', 'module.b.module.c': 'b.module.c'}
    """
    found = {
        name: ".".join(part for part in name.split(".") if part != "_orig_mod") for name in names
    }
    for prefix in ("module.", "network.") * 8:
        if found and all(name.startswith(prefix) for name in found.values()):
            found = {name: short.removeprefix(prefix) for name, short in found.items()}
    return found


def _by_bare_name(names: Iterable[str]) -> dict[str, list[str]]:
    grouped: dict[str, list[str]] = {}
    for name in names:
        bare = ".".join(part for part in name.split(".") if part not in _WRAPPERS)
        grouped.setdefault(bare, []).append(name)
    return grouped


def shown_places(module: nn.Module) -> list[tuple[str, nn.Module]]:
    """Return every module inside of one, and how the names of its tensors begin in files."""
    names, seen = _Names(module, nested=True), set()
    found = []
    for actual, visible, part in _places(module, nested=True):
        if id(part) not in seen:
            seen.add(id(part))
            found.append((visible if names.clear else actual, part))
    return found


class PlainNames(nn.Module):
    """A module whose tensors are named, in `state_dict` and everywhere, as if nothing wrapped them.

    Where that would give two tensors one name, all keep the names that torch gives them.
    """

    _wraps: str | None = None
    """The attribute that holds the module which this one does nothing but wrap."""

    def __init__(self) -> None:
        super().__init__()
        # torch's own way for wrappers; these methods have no annotations yet.
        self.register_state_dict_post_hook(_show)  # type: ignore[no-untyped-call]
        self.register_load_state_dict_pre_hook(_unhide)  # type: ignore[no-untyped-call]
        self.register_load_state_dict_post_hook(_tell)  # type: ignore[no-untyped-call]

    def parameters(self, recurse: bool = True) -> Iterator[nn.Parameter]:
        """Yield the parameters."""
        for _, parameter in super().named_parameters(recurse=recurse):
            yield parameter

    def buffers(self, recurse: bool = True) -> Iterator[Tensor]:
        """Yield the buffers."""
        for _, buffer in super().named_buffers(recurse=recurse):
            yield buffer

    def named_parameters(
        self, prefix: str = "", recurse: bool = True, remove_duplicate: bool = True
    ) -> Iterator[tuple[str, nn.Parameter]]:
        """Yield the parameters under their names in `state_dict`."""
        names = _Names(self, nested=True)
        for name, parameter in super().named_parameters("", recurse, remove_duplicate):
            yield _joined(prefix, names.shown(name)), parameter

    def named_buffers(
        self, prefix: str = "", recurse: bool = True, remove_duplicate: bool = True
    ) -> Iterator[tuple[str, Tensor]]:
        """Yield the buffers under their names in `state_dict`."""
        names = _Names(self, nested=True)
        for name, buffer in super().named_buffers("", recurse, remove_duplicate):
            yield _joined(prefix, names.shown(name)), buffer


class _Place(NamedTuple):
    """Where a module is: the beginning of its tensors' names, torch's and ours."""

    actual: str
    visible: str
    module: nn.Module


def _places(module: nn.Module, nested: bool, actual: str = "", visible: str = "") -> list[_Place]:
    """Return every module's place; those in models inside, which hide names too, if `nested`."""
    found = [_Place(actual, visible, module)]
    if actual and isinstance(module, PlainNames) and not nested:
        return found
    held = held_by_wrapper(module)
    for name, child in module._modules.items():
        if child is not None:
            inner = visible if name == held else f"{visible}{name}."
            found += _places(child, nested, f"{actual}{name}.", inner)
    return found


class _Names:
    """The names of a module's tensors, torch's and ours."""

    def __init__(self, module: nn.Module, *, nested: bool) -> None:
        self._shown: dict[str, str] = {}
        self._actual: dict[str, str] = {}
        self._starts: dict[str, str] = {}
        for actual, visible, part in _places(module, nested):
            for name in (*part._parameters, *part._buffers):
                self._shown[actual + name] = visible + name
                self._actual[visible + name] = actual + name
            self._starts[visible] = actual  # of a wrapper and what it holds, the latter's
        self.clear = len(self._shown) == len(self._actual)
        self._ends = {actual: visible for visible, actual in self._starts.items()}

    def shown(self, name: str) -> str:
        """Return our name of a tensor for torch's."""
        return self._translated(name, self._shown, self._ends)

    def actual(self, name: str) -> str:
        """Return torch's name of a tensor for ours."""
        return self._translated(name, self._actual, self._starts)

    def _translated(self, name: str, known: Mapping[str, str], starts: Mapping[str, str]) -> str:
        if not self.clear or name in known:
            return known.get(name, name) if self.clear else name
        cut = len(name)
        while cut > 0:  # a tensor that nobody knows, or one of a model inside
            cut = name.rfind(".", 0, cut - 1) + 1
            if name[:cut] in starts:
                return starts[name[:cut]] + name[cut:]
        return name


def _show(module: nn.Module, state: dict[str, Any], prefix: str, _: object) -> None:
    names = _Names(module, nested=False)
    _rename(state, {n: prefix + names.shown(n.removeprefix(prefix)) for n in _under(prefix, state)})


def _unhide(module: nn.Module, state: dict[str, Any], prefix: str, *_: object) -> None:
    names = _Names(module, nested=False)
    _rename(
        state, {n: prefix + names.actual(n.removeprefix(prefix)) for n in _under(prefix, state)}
    )


def _tell(module: nn.Module, incompatible: Iterable[list[str]]) -> None:
    names = _Names(module, nested=True)
    for keys in incompatible:
        keys[:] = map(names.shown, keys)


def _under(prefix: str, names: Iterable[str]) -> list[str]:
    return [name for name in names if name.startswith(prefix)]


def _rename(state: dict[str, Any], new: Mapping[str, str]) -> None:
    """Rename entries of a dict in place, in their order."""
    if all(old == name for old, name in new.items()):
        return
    renamed = {new.get(name, name): value for name, value in state.items()}
    state.clear()
    state.update(renamed)


def _joined(prefix: str, name: str) -> str:
    return f"{prefix}.{name}" if prefix else name
