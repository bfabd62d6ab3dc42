"""The kinds of model that a file can describe, by the name that stands in the file.

The formats make models without importing them: a model's `save` needs the formats, and the formats
would need the model.
"""

from collections.abc import Mapping
from typing import Any, Protocol, Self, TypeVar

from torch import nn

from epochal.core.errors import UsageError, unknown_name

__all__ = ["Described", "described_class", "is_described", "is_model_class", "model_class"]


class Described(Protocol):
    """A model that can be rebuilt from a description."""

    name: str

    def get_config(self) -> dict[str, Any]:
        """Return the description as JSON can hold it."""
        ...

    @classmethod
    def from_config(
        cls, config: Mapping[str, Any], custom_objects: Mapping[str, Any] | None = None
    ) -> Self:
        """Return a new model made from what `get_config` returned."""
        ...


_CLASSES: dict[str, type[Described]] = {}
_D = TypeVar("_D", bound=type[Described])


def described_class(cls: _D) -> _D:
    """Let files name a class of model; use it as a decorator."""
    _CLASSES[cls.__name__] = cls
    return cls


def is_model_class(name: object) -> bool:
    """Return whether a file's class name is that of a kind of model."""
    return name in _known() or name == "Model"


def model_class(name: str) -> type[Described]:
    """Return the class of model that a file names; older files of Keras say Model of a graph.

    Raises:
        UsageError: If there is none of that name.
    """
    name = "Functional" if name == "Model" else name
    known = _known()
    if name not in known:
        raise UsageError(unknown_name("kind of model", name, known))
    return known[name]


def _known() -> dict[str, type[Described]]:
    """Return every class of model by name, those that the script has not used yet as well."""
    import epochal.models.functional
    import epochal.models.sequential  # noqa: F401  # both enter themselves

    return _CLASSES


def is_described(model: nn.Module | type) -> bool:
    """Return whether a file can say how a model, or one of a class, is made."""
    kinds = tuple(_CLASSES.values())
    return issubclass(model, kinds) if isinstance(model, type) else isinstance(model, kinds)
