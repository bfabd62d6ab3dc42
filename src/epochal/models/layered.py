"""A model made of named layers."""

from abc import abstractmethod
from typing import Any

from torch import nn

from epochal.core.errors import UsageError, unknown_name
from epochal.models.model import Model

__all__ = ["LayeredModel"]


class LayeredModel(Model):
    """What `Sequential` and `Functional` share: layers by name and by place."""

    @abstractmethod
    def get_config(self) -> dict[str, Any]:
        """Return the name and the layers as JSON can hold them."""

    @property
    @abstractmethod
    def input_shape(self) -> Any:
        """The shape of the input, batch axis first as None; None if nobody has given it."""

    @property
    def layers(self) -> list[nn.Module]:
        """The layers in order, without the inputs."""
        return list(self.children())

    def get_layer(self, name: str | None = None, index: int | None = None) -> nn.Module:
        """Return a layer by its name or by its place.

        Raises:
            UsageError: If there is none.
        """
        if (name is None) == (index is None):
            raise UsageError("get_layer: give one of name and index")
        if index is not None:
            if not -len(self.layers) <= index < len(self.layers):
                raise UsageError(
                    f"get_layer: index is {index}; there are {len(self.layers)} layers"
                )
            return self.layers[index]
        found = self._modules.get(str(name))
        if found is None:
            raise UsageError(f"get_layer: {unknown_name('layer', name, self._modules)}")
        return found
