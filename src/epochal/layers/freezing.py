"""Freezing: weights that training leaves alone, and the lists of those that it does not."""

from torch import Tensor, nn
from torch.nn.parameter import is_lazy

from epochal.core.errors import UsageError
from epochal.layers.weights import HasWeights, named_weights

__all__ = ["Freezable"]


class Freezable(nn.Module):
    """What layers and models share: `trainable`, and their weights in lists.

    The tensors in the lists are those that an optimizer is given; `get_weights` has them as arrays
    in Keras' layout.
    """

    _trainable: bool = True

    @property
    def trainable(self) -> bool:
        """Whether the weights are trained; set it to `False` to freeze everything inside.

        It counts from the next step on, whenever the model was compiled. Frozen layers of this
        library's own are used as in `predict`: a frozen `BatchNormalization` changes no averages.
        Of torch's own modules only the weights are frozen.

        Raises:
            UsageError: If one of torch's lazy modules has no weights yet.
        """
        return self._trainable

    @trainable.setter
    def trainable(self, value: bool) -> None:
        self._trainable = bool(value)
        _freeze_weights(self, self._trainable)
        for child in self.children():
            _freeze(child, self._trainable)

    @property
    def trainable_weights(self) -> list[nn.Parameter]:
        """The weights that are trained."""
        return [parameter for parameter in self.parameters() if parameter.requires_grad]

    @property
    def non_trainable_weights(self) -> list[Tensor]:
        """The weights that are not: frozen ones, and averages."""
        return [
            getattr(weight.module, name)
            for weight in named_weights(self)
            if not weight.trainable
            for name in weight.weight.attributes
        ]

    @property
    def trainable_variables(self) -> list[nn.Parameter]:
        """The same as `trainable_weights`."""
        return self.trainable_weights

    @property
    def non_trainable_variables(self) -> list[Tensor]:
        """The same as `non_trainable_weights`."""
        return self.non_trainable_weights


def _freeze(module: nn.Module, trainable: bool) -> None:
    if isinstance(module, Freezable):
        module.trainable = trainable
        return
    _freeze_weights(module, trainable)
    for child in module.children():
        _freeze(child, trainable)


def _freeze_weights(module: nn.Module, trainable: bool) -> None:
    """Freeze or thaw a module's own parameters, but for those that are never trained."""
    recorded = module.keras_weights() if isinstance(module, HasWeights) else []
    never = {name for weight in recorded if not weight.trainable for name in weight.attributes}
    for name, parameter in module._parameters.items():
        if parameter is None:
            continue
        if is_lazy(parameter):
            raise UsageError(
                f"trainable: {type(module).__name__} of torch has no weights before it has seen an "
                "input; call the model on data once, and freeze it then"
            )
        if name not in never:
            kind = parameter.dtype
            parameter.requires_grad_(trainable and (kind.is_floating_point or kind.is_complex))
