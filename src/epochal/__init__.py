"""epochal: Keras' `compile`, `fit`, `evaluate` and `predict` on any `torch.nn.Module`.

Importing the package costs nothing: torch is imported when the first name that needs it is used.
"""

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from epochal.layers import Input as Input
    from epochal.models import Model as Model
    from epochal.models import Sequential as Sequential
    from epochal.models import register as register

__version__ = "0.1.0.dev0"

_MODULES = (
    "activations",
    "backend",
    "callbacks",
    "constraints",
    "datasets",
    "initializers",
    "layers",
    "losses",
    "metrics",
    "models",
    "ops",
    "optimizers",
    "regularizers",
    "stopping",
    "utils",
)
_HOMES = {"Input": "layers", "Model": "models", "Sequential": "models", "register": "models"}

__all__ = [*_HOMES, *_MODULES]


def __getattr__(name: str) -> Any:
    """Import a public name when it is first used."""
    if name in _MODULES:
        return importlib.import_module(f"epochal.{name}")
    if name in _HOMES:
        return getattr(importlib.import_module(f"epochal.{_HOMES[name]}"), name)
    raise AttributeError(f"module 'epochal' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted([*__all__, "__version__"])
