"""What Keras' two formats of whole models have in common."""

import warnings
from pathlib import Path
from typing import Any

from epochal.core.errors import UsageError
from epochal.models.classes import is_described
from epochal.models.formats import optimizer_state
from epochal.models.formats.base import Format
from epochal.models.formats.compile_settings import compile_settings
from epochal.models.formats.describing import describe_model

__all__ = ["KERAS_VERSION", "WholeModel", "describe", "settings_or_warning"]

KERAS_VERSION = "3.15.1"
"""The version of Keras whose files are written."""


class WholeModel(Format):
    """A format that holds Keras' whole models alone; `check_weights` of each says what to use."""

    def check_model(self, model: Any, path: Path) -> None:
        """Refuse a model that Keras could not make."""
        if not is_described(model):
            describe(model, f"save({str(path)!r})")

    def save_weights(self, model: Any, path: Path) -> None:
        """Refuse: such a file is of a whole model."""
        del model
        self.check_weights(path)


def describe(model: Any, call: str) -> dict[str, Any]:
    """Return the description of a model that Keras could make.

    Raises:
        UsageError: If only the user's code can make it.
    """
    if not is_described(model):
        raise UsageError(
            f"{call}: a {type(model).__name__} around modules of torch is made by your code alone; "
            "save its weights (save_weights), or build it as a Sequential of epochal.layers"
        )
    compiled = model._compiled
    precision = None if compiled is None else compiled.execution.precision
    half = None if precision is None else f"mixed_{precision}".replace("torch.", "")
    try:
        return describe_model(model.get_config(), type(model).__name__, half)
    except UsageError as error:
        raise UsageError(f"{call}: {error}") from error


def settings_or_warning(model: Any, call: str, *, names: bool = True) -> dict[str, Any] | None:
    """Return a model's compile settings, or say that they cannot be kept."""
    try:
        settings = compile_settings(model, names=names)
        if settings is not None:
            optimizer_state.layout_of(model)
    except UsageError as error:
        warnings.warn(
            f"{call}: the file will hold no compile settings and no optimizer state: {error}",
            UserWarning,
            stacklevel=5,
        )
        return None
    return settings
