"""Names of a package that are imported when they are first used (PEP 562).

A package that holds many things says in its `__init__` what is where, so that a script pays for
what it uses. Type checkers read the plain imports that stand beside it under `TYPE_CHECKING`: to
them, too, a misspelt name is an error.
"""

import importlib
import sys
from collections.abc import Callable, Mapping
from typing import Any

__all__ = ["at_first_use"]


def at_first_use(
    package: str, homes: Mapping[str, str], modules: str = ""
) -> tuple[Callable[[str], Any], Callable[[], list[str]]]:
    """Return `__getattr__` and `__dir__` for a package.

    Args:
        package: Its `__name__`.
        homes: The public names, one space between them, by the module that defines them.
        modules: Modules of the package that are public themselves, written likewise.

    Example:
        >>> find, names = at_first_use("epochal.core", {"epochal.core.names": "snake_case"})
        >>> find("snake_case")("EarlyStopping")
        'early_stopping'
        >>> find("snake_cse")
        Traceback (most recent call last):
            ...
        AttributeError: module 'epochal.core' has no attribute 'snake_cse'
    """
    home_of = {name: home for home, names in homes.items() for name in names.split()}
    public_modules = modules.split()

    def find(name: str) -> Any:
        """Import a public name; from now on the package has it, and is not asked again."""
        if name in home_of:
            value = getattr(importlib.import_module(home_of[name]), name)
        elif name in public_modules:
            value = importlib.import_module(f"{package}.{name}")
        else:
            raise AttributeError(f"module {package!r} has no attribute {name!r}")
        setattr(sys.modules[package], name, value)
        return value

    def names() -> list[str]:
        special = [name for name in vars(sys.modules[package]) if name.startswith("__")]
        return sorted([*special, *home_of, *public_modules])

    return find, names
