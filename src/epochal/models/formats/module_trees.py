"""Modules of any kind as descriptions, and back; for `.epochal` files.

Described are epochal's models and layers, what is listed of torch's own modules, and classes of the
user's: by their `get_config`, or by the arguments that `@epochal.register` has noted.
"""

import inspect
from collections import OrderedDict
from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import nn

from epochal import layers
from epochal.core.errors import UsageError, unknown_name
from epochal.layers import InputLayer, Layer
from epochal.models.classes import Described, is_described, model_class
from epochal.models.formats.torch_objects import CONTAINERS, MODULES, arguments
from epochal.models.prefixes import without_wrappers
from epochal.models.registering import Opaque, arguments_of, name_of

__all__ = ["DTYPES", "describe", "holds_own", "make"]

_MODULE, _CLASS, _DTYPE = "$module", "$class", "$dtype"
_OFFER = "or save its weights alone: save_weights(path)"


def describe(module: nn.Module) -> dict[str, Any]:
    """Return what makes a module again, apart from its weights.

    Raises:
        UsageError: If a part of it can only be made by the user's code; says which, and what to do.
    """
    return _Writer().module(module, "")


class _Writer:
    """One description; a module that stands at two places is described at the first."""

    def __init__(self) -> None:
        self._seen: dict[int, int] = {}

    def module(self, module: nn.Module, at: str) -> dict[str, Any]:
        if id(module) in self._seen:
            return {"kind": "same", "as": self._seen[id(module)]}
        kind = type(module)
        is_model = kind.__module__.startswith("epochal.models.")
        inner = module if is_model else without_wrappers(module)
        if inner is not module and name_of(kind) is None:
            return self.module(inner, at)
        self._seen[id(module)] = len(self._seen)
        name = name_of(kind)
        if is_model and is_described(module):
            return self._layered(module, at)
        if isinstance(module, Layer):
            return {"kind": "layer", **layers.serialize(module)}
        if is_model and "network" in module._modules:
            inner = module.get_submodule("network")
            return {"kind": "model", "class_name": "Model", "module": self.module(inner, at)}
        torch_name = f"torch.nn.{kind.__name__}"
        if CONTAINERS.get(torch_name) is kind:
            return {
                "kind": "torch",
                "class_name": torch_name,
                "modules": self._children(module, at),
            }
        listed = arguments(module)
        if listed is not None:
            config = self.value(listed, at or kind.__name__)
            return {"kind": "torch", "class_name": torch_name, "config": config}
        config = self._config(module, name, at)
        return {"kind": "own", "class_name": name or kind.__name__, "config": config}

    def value(self, value: Any, at: str) -> Any:
        """Return an argument as the file holds it."""
        if isinstance(value, nn.Module):
            return {_MODULE: self.module(value, at)}
        if isinstance(value, torch.dtype):
            return {_DTYPE: str(value).removeprefix("torch.")}
        if inspect.isclass(value) or inspect.isfunction(value):
            listed = [name for name, kind in MODULES.items() if kind is value]
            name = name_of(value) or next(iter(listed), None)
            if name is None:
                raise UsageError(
                    f"{at} is {value.__name__}, which no file can name; register it, "
                    f'@epochal.register("{value.__name__}"), {_OFFER}'
                )
            return {_CLASS: name}
        if isinstance(value, Mapping):
            if len(value) == 1 and next(iter(value))[:1] == "$":
                raise UsageError(f"{at} has a key that begins with $; choose another")
            return {key: self.value(item, f"{at}[{key!r}]") for key, item in value.items()}
        if isinstance(value, (list, tuple)):
            items = [self.value(item, f"{at}[{i}]") for i, item in enumerate(value)]
            return items if isinstance(value, list) else tuple(items)
        if value is None or type(value) in (bool, int, float, str):
            return value
        kind = value.kind if isinstance(value, Opaque) else type(value).__name__
        raise UsageError(
            f"{at} is a {kind}, which no description can hold; give the class a get_config (and a "
            f"from_config) that does without, {_OFFER}"
        )

    def _children(self, module: nn.Module, at: str) -> list[Any]:
        return [
            [name, None if child is None else self.module(child, f"{at}.{name}".lstrip("."))]
            for name, child in module._modules.items()
        ]

    def _layered(self, model: Any, at: str) -> dict[str, Any]:
        """Return a `Sequential` or `Functional`; one with modules of torch's, piece by piece."""
        kind = type(model).__name__
        try:
            return {"kind": "model", "class_name": kind, "config": model.get_config()}
        except UsageError:
            if kind != "Sequential":
                raise
        shape = model._input
        entry = None
        if shape is not None:
            first = InputLayer(batch_shape=shape.batch_shape, dtype=shape.dtype, name=shape.name)
            entry = layers.serialize(first)["config"]
        config = {"name": model.name, "input": entry}
        parts = self._children(model, at)
        return {"kind": "model", "class_name": kind, "config": config, "modules": parts}

    def _config(self, module: nn.Module, name: str | None, at: str) -> Any:
        """Return how an object of a user's class is made."""
        kind = type(module)
        what = f"{at} (a {kind.__name__})" if at else f"a {kind.__name__}"
        own: Callable[[], Any] | None = getattr(module, "get_config", None)
        if own is not None:
            return self.value(own(), f"{what}: its get_config")
        noted = arguments_of(module)
        if noted is None and kind.__init__ is not nn.Module.__init__ and name is not None:
            raise UsageError(
                f"{what} was made before its class was registered, or without its constructor; "
                f"make it anew, {_OFFER}"
            )
        if noted is not None:
            return {key: self.value(item, f"{what}: its argument {key!r}")
                    for key, item in noted.items()}  # fmt: skip
        takes = list(inspect.signature(kind.__init__).parameters.values())[1:]
        if all(one.kind in (one.VAR_POSITIONAL, one.VAR_KEYWORD) for one in takes):
            return {}
        raise UsageError(
            f"{what} is made by your code, and nobody noted with what: write "
            f'@epochal.register("{kind.__name__}") above its class, or a get_config in it, {_OFFER}'
        )


def holds_own(entry: Any) -> bool:
    """Return whether a description names a class that is not epochal's or torch's own."""
    if isinstance(entry, Mapping):
        return entry.get("kind") == "own" or any(map(holds_own, entry.values()))
    return isinstance(entry, (list, tuple)) and any(map(holds_own, entry))


def make(entry: Any, known: Mapping[str, Any], wrap: Callable[[nn.Module], nn.Module]) -> Any:
    """Return the module, with new weights, that `describe` described.

    Args:
        entry: The description.
        known: The user's classes and functions by name.
        wrap: Makes a model around a module.

    Raises:
        UsageError: If it names what nobody knows.
    """
    return _Reader(known, wrap).module(entry)


class _Reader:
    def __init__(self, known: Mapping[str, Any], wrap: Callable[[nn.Module], nn.Module]) -> None:
        self._known = known
        self._wrap = wrap
        self._made: list[nn.Module | None] = []

    def module(self, entry: Any) -> nn.Module:
        kind, name = entry["kind"], entry.get("class_name")
        if kind == "same":
            made = self._made[entry["as"]]
            if isinstance(made, nn.Module):
                return made
            raise UsageError("the description is damaged: a module lies in itself")
        place = len(self._made)
        self._made.append(None)
        module = self._new(kind, name, entry)
        self._made[place] = module
        return module

    def _new(self, kind: str, name: str, entry: Mapping[str, Any]) -> nn.Module:
        if kind == "model" and name == "Model":
            return self._wrap(self.module(entry["module"]))
        if kind == "model":
            return self._layered(name, entry)
        if kind == "layer":
            return layers.deserialize(entry, self._known)
        if kind == "torch" and name in CONTAINERS:
            return self._container(CONTAINERS[name], entry["modules"])
        if kind == "torch" and name in MODULES:
            return MODULES[name](**self.value(entry["config"]))
        if kind == "own":
            own = self._find(name)
            config = self.value(entry["config"])
            from_config = getattr(own, "from_config", None)
            made = own(**config) if from_config is None else from_config(config)
            return self._checked(made, name)
        raise UsageError(f"the description names the {kind} {name!r}, which is none")

    def value(self, value: Any) -> Any:
        """Return an argument from what the file holds."""
        if isinstance(value, Mapping):
            if len(value) == 1:
                mark, inner = next(iter(value.items()))
                if mark == _MODULE:
                    return self.module(inner)
                if mark == _CLASS:
                    return MODULES[inner] if inner in MODULES else self._find(inner)
                if mark == _DTYPE:
                    return DTYPES[inner]
            return {key: self.value(item) for key, item in value.items()}
        if isinstance(value, (list, tuple)):
            items = [self.value(item) for item in value]
            return items if isinstance(value, list) else tuple(items)
        return value

    def _find(self, name: str) -> Any:
        if name not in self._known:
            raise UsageError(
                f"the file names {name!r}, and no file can bring its code: import the module that "
                f'holds @epochal.register("{name}"), pass custom_objects={{"{name}": ...}}, or '
                "make the model in your code and call its load_weights. "
                + unknown_name("class of yours", name, self._known)
            )
        return self._known[name]

    def _container(self, kind: type[nn.Module], parts: Any) -> nn.Module:
        made = [(str(name), None if part is None else self.module(part)) for name, part in parts]
        if kind is nn.Sequential:
            return nn.Sequential(OrderedDict(made))  # type: ignore[arg-type]  # None is torch's own
        container = kind()
        for name, part in made:
            container.add_module(name, part)
        return container

    def _layered(self, name: str, entry: Mapping[str, Any]) -> nn.Module:
        found: type[Described] = model_class(name)
        if "modules" not in entry:
            whole: object = found.from_config(entry["config"], self._known)
            return self._checked(whole, name)
        stack: Any = model_class("Sequential").from_config({"layers": [], **entry["config"]})
        if entry["config"]["input"] is not None:
            stack.add(InputLayer(**entry["config"]["input"]))
        for part_name, part in entry["modules"]:
            stack.add(self.module(part))
            if part_name not in stack._modules:  # it had been added after another was removed
                stack._modules[part_name] = stack._modules.popitem()[1]
        return self._checked(stack, name)

    def _checked(self, made: object, name: str) -> nn.Module:
        if isinstance(made, nn.Module):
            return made
        raise UsageError(f"what {name!r} stands for makes a {type(made).__name__}, no module")


DTYPES = {
    str(dtype).removeprefix("torch."): dtype
    for dtype in (
        *(torch.float64, torch.float32, torch.float16, torch.bfloat16, torch.complex64),
        *(torch.int64, torch.int32, torch.int16, torch.int8, torch.uint8, torch.bool),
    )
}
