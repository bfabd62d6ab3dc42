"""Activation functions, by name: all of Keras', with Keras' argument names, over torch."""

from collections.abc import Callable, Mapping
from typing import Any, TypeAlias

from torch import Tensor, nn

from epochal.activations.rectifiers import (
    celu,
    elu,
    hard_shrink,
    hard_sigmoid,
    hard_silu,
    hard_tanh,
    leaky_relu,
    relu,
    relu6,
    selu,
    soft_shrink,
    sparse_plus,
    sparse_sigmoid,
    threshold,
)
from epochal.activations.smooth import (
    exponential,
    gelu,
    glu,
    linear,
    log_sigmoid,
    log_softmax,
    mish,
    sigmoid,
    silu,
    softmax,
    softplus,
    softsign,
    sparsemax,
    squareplus,
    tanh,
    tanh_shrink,
)
from epochal.core.errors import UsageError, UsageTypeError
from epochal.core.names import Registry

__all__ = [
    "Activation",
    "ActivationLike",
    "celu",
    "deserialize",
    "elu",
    "exponential",
    "gelu",
    "get",
    "glu",
    "hard_shrink",
    "hard_sigmoid",
    "hard_silu",
    "hard_swish",
    "hard_tanh",
    "leaky_relu",
    "linear",
    "log_sigmoid",
    "log_softmax",
    "mish",
    "relu",
    "relu6",
    "selu",
    "serialize",
    "sigmoid",
    "silu",
    "soft_shrink",
    "softmax",
    "softplus",
    "softsign",
    "sparse_plus",
    "sparse_sigmoid",
    "sparsemax",
    "squareplus",
    "swish",
    "tanh",
    "tanh_shrink",
    "threshold",
]

Activation: TypeAlias = Callable[..., Tensor]
"""A function of a tensor, or a module."""

ActivationLike: TypeAlias = str | Mapping[str, Any] | type[nn.Module] | Activation | None
"""What an `activation` argument takes: a name, a function, a module or its class, or nothing."""

swish = silu
hard_swish = hard_silu

_REGISTRY = Registry[Activation]("activation")
for _function, _aliases in (
    (celu, ()),
    (elu, ()),
    (exponential, ()),
    (gelu, ()),
    (glu, ()),
    (hard_shrink, ()),
    (hard_sigmoid, ()),
    (hard_silu, ("hard_swish",)),
    (hard_tanh, ()),
    (leaky_relu, ()),
    (linear, ()),
    (log_sigmoid, ()),
    (log_softmax, ()),
    (mish, ()),
    (relu, ()),
    (relu6, ()),
    (selu, ()),
    (sigmoid, ()),
    (silu, ("swish",)),
    (soft_shrink, ()),
    (softmax, ()),
    (softplus, ()),
    (softsign, ()),
    (sparse_plus, ()),
    (sparse_sigmoid, ()),
    (sparsemax, ()),
    (squareplus, ()),
    (tanh, ()),
    (tanh_shrink, ()),
    (threshold, ()),
):
    _REGISTRY.add(_function, *_aliases)


def get(identifier: ActivationLike) -> Activation:
    """Return the activation that `identifier` stands for.

    Args:
        identifier: A name (`"relu"`), any function of a tensor, an `nn.Module` or its class, or
            `None` for `linear`.

    Raises:
        UsageError: If the name is unknown or the thing cannot be called.

    Example:
        >>> get("relu") is relu, get(None) is linear
        (True, True)
    """
    if identifier is None:
        return linear
    if isinstance(identifier, str):
        return _REGISTRY[identifier]
    if isinstance(identifier, type) and issubclass(identifier, nn.Module):
        return identifier()
    if callable(identifier) and not isinstance(identifier, type):
        return identifier
    raise UsageTypeError(f"got {identifier!r}; expected the name of an activation, or a callable")


def serialize(activation: Activation) -> str:
    """Return the name under which `get` finds the function again.

    Raises:
        UsageError: If it is a function that has no such name: no code ever goes into a file.

    Example:
        >>> serialize(relu)
        'relu'
    """
    name: object = getattr(activation, "__name__", None)
    if not isinstance(name, str) or name not in _REGISTRY or _REGISTRY[name] is not activation:
        raise UsageError(
            f"got the activation {activation!r}, which has no name to be saved under; use one of "
            "epochal.activations, or put your own into the `forward` of a Layer subclass"
        )
    return name


def deserialize(name: str) -> Activation:
    """Return the function that `serialize` named."""
    return get(name)
