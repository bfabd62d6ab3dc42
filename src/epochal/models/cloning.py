"""A second model like one there is."""

from typing import Any

from torch import nn

from epochal.core.errors import UsageTypeError
from epochal.layers import Layer
from epochal.models.layered import LayeredModel

__all__ = ["clone_model"]


def clone_model(model: LayeredModel) -> LayeredModel:
    """Return a new model of the same layers, with weights of its own that are drawn anew.

    Use it to train one description several times, as in cross-validation. It is not compiled.
    `copy.deepcopy(model)` copies any model together with its weights.

    Args:
        model: A `Sequential`, or a `Functional` out of a file.

    Raises:
        UsageTypeError: If it is another model: only its code can make it again.
        UsageError: If one of its layers is a module that cannot be described.

    Example:
        >>> from epochal.layers import Dense
        >>> from epochal.models import Sequential
        >>> model = Sequential([Dense(3, input_dim=2)])
        >>> clone_model(model).count_params()
        9
    """
    given: object = model  # widened: the annotation promises what is checked here
    if not isinstance(given, LayeredModel):
        hint = "call its constructor again" if isinstance(given, nn.Module) else "give a Sequential"
        raise UsageTypeError(
            f"clone_model: got a {type(given).__name__}, which nothing describes; {hint}, or copy "
            "it with its weights by copy.deepcopy"
        )
    own = {type(part).__name__: type(part) for part in model.modules() if isinstance(part, Layer)}
    kind: Any = type(model)
    made: LayeredModel = kind.from_config(model.get_config(), own)
    return made
