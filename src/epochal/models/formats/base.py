"""What a format of model files is."""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar

from epochal.core.errors import UsageError
from epochal.models.formats.matching import LeftOut

__all__ = ["Format"]


class Format(ABC):
    """One kind of file; each subclass is one module beside this one.

    A format that holds weights alone leaves `save_model` and `load_model` as they are.
    """

    endings: ClassVar[tuple[str, ...]]
    """How its paths end; a longer ending goes before a shorter one of another format."""

    @abstractmethod
    def save_weights(self, model: Any, path: Path) -> None:
        """Write a model's weights."""

    @abstractmethod
    def load_weights(self, model: Any, path: Path, strict: bool) -> LeftOut:
        """Read a model's weights: all or none, or if not `strict` those that fit."""

    @abstractmethod
    def restore(self, model: Any, path: Path) -> None:
        """Read a model's weights and, if file and model have one, its optimizer's state."""

    def check_model(self, model: Any, path: Path) -> None:
        """Refuse a model that the format cannot hold whole; nothing is written."""
        del model
        raise UsageError(f"save({str(path)!r}): {self._weights_alone()}")

    def check_weights(self, path: Path) -> None:
        """Refuse weights, if the format holds whole models alone."""
        del path  # most hold weights

    def save_model(self, model: Any, path: Path) -> None:
        """Write all that rebuilds a model."""
        self.check_model(model, path)

    def load_model(
        self, path: Path, custom_objects: Mapping[str, Any] | None, compile: bool
    ) -> Any:
        """Return the model that a file holds."""
        del custom_objects, compile
        raise UsageError(f"load_model({str(path)!r}): {self._weights_alone()}")

    def _weights_alone(self) -> str:
        return (
            f"a {self.endings[0]} file holds weights alone: use save_weights and load_weights, or "
            "a path that ends in .keras or .epochal for a whole model"
        )
