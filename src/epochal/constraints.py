"""What a weight must satisfy after every update: its norm, its sign."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Never, TypeAlias

from torch import Tensor

from epochal.core.config import Configurable
from epochal.core.errors import UsageTypeError, reject_unknown
from epochal.core.names import Registry

__all__ = [
    "Constraint",
    "ConstraintLike",
    "MaxNorm",
    "MinMaxNorm",
    "NonNeg",
    "UnitNorm",
    "deserialize",
    "get",
    "max_norm",
    "min_max_norm",
    "non_neg",
    "serialize",
    "unit_norm",
]

# Keeps a division by a norm of zero finite, as Keras' `epsilon()` does.
_EPSILON = 1e-7


class Constraint(Configurable):
    """Base of the constraints; override `__call__` to write one.

    Example:
        >>> import torch
        >>> class AtMostOne(Constraint):
        ...     def __call__(self, w):
        ...         return w.clamp(max=1.0)
        >>> AtMostOne()(torch.tensor([0.5, 3.0]))
        tensor([0.5000, 1.0000])
    """

    def __call__(self, w: Tensor) -> Tensor:
        """Return the nearest allowed weight; `w` is in Keras' layout."""
        raise NotImplementedError(f"{type(self).__name__} has no `__call__(w)`; write one")


class _OfNorm(Constraint):
    """A constraint on the norm along `axis`."""

    axis: int | Sequence[int]

    def norm(self, w: Tensor) -> Tensor:
        """Return the Euclidean norm along `axis`, kept broadcastable to `w`."""
        axes = (self.axis,) if isinstance(self.axis, int) else tuple(self.axis)
        return w.square().sum(axes, keepdim=True).sqrt()


class MaxNorm(_OfNorm):
    """Scales down what is longer than `max_value`.

    Args:
        max_value: The greatest norm that a unit's incoming weights may have.
        axis: Along which the norm is taken; in Keras' layout: 0 for a dense kernel `(in, out)`,
            `[0, 1, 2]` for a convolution `(height, width, in, out)`.

    Example:
        >>> import torch
        >>> MaxNorm(1.0)(torch.tensor([[3.0], [4.0]]))
        tensor([[0.6000],
                [0.8000]])
    """

    def __init__(
        self, max_value: float = 2, axis: int | Sequence[int] = 0, **unknown: Never
    ) -> None:
        reject_unknown(MaxNorm.__init__, unknown)
        self.max_value, self.axis = max_value, axis

    def __call__(self, w: Tensor) -> Tensor:
        """Return `w` with its norms clipped."""
        norm = self.norm(w)
        return w * (norm.clamp(max=self.max_value) / (_EPSILON + norm))


class NonNeg(Constraint):
    """Sets negative weights to zero.

    Example:
        >>> import torch
        >>> NonNeg()(torch.tensor([-1.0, 2.0]))
        tensor([0., 2.])
    """

    def __init__(self, **unknown: Never) -> None:
        reject_unknown(NonNeg.__init__, unknown)

    def __call__(self, w: Tensor) -> Tensor:
        """Return `w` without its negative part."""
        return w.clamp(min=0)


class UnitNorm(_OfNorm):
    """Scales every unit's weights to norm 1.

    Args:
        axis: Along which the norm is taken, see `MaxNorm`.

    Example:
        >>> import torch
        >>> UnitNorm()(torch.tensor([[3.0], [4.0]]))
        tensor([[0.6000],
                [0.8000]])
    """

    def __init__(self, axis: int | Sequence[int] = 0, **unknown: Never) -> None:
        reject_unknown(UnitNorm.__init__, unknown)
        self.axis = axis

    def __call__(self, w: Tensor) -> Tensor:
        """Return `w` divided by its norms."""
        return w / (_EPSILON + self.norm(w))


class MinMaxNorm(_OfNorm):
    """Scales every unit's weights so that their norm is between two values.

    Args:
        min_value: The smallest norm.
        max_value: The greatest norm.
        rate: How far a weight moves to where it should be; 1 is all the way.
        axis: Along which the norm is taken, see `MaxNorm`.

    Example:
        >>> import torch
        >>> MinMaxNorm(1.0, 2.0)(torch.tensor([[0.3], [0.4]]))
        tensor([[0.6000],
                [0.8000]])
    """

    def __init__(
        self,
        min_value: float = 0.0,
        max_value: float = 1.0,
        rate: float = 1.0,
        axis: int | Sequence[int] = 0,
        **unknown: Never,
    ) -> None:
        reject_unknown(MinMaxNorm.__init__, unknown)
        self.min_value, self.max_value, self.rate, self.axis = min_value, max_value, rate, axis

    def __call__(self, w: Tensor) -> Tensor:
        """Return `w` with its norms brought into the range."""
        norm = self.norm(w)
        inside = norm.clamp(self.min_value, self.max_value)
        wanted = self.rate * inside + (1 - self.rate) * norm
        return w * (wanted / (_EPSILON + norm))


max_norm, non_neg, unit_norm, min_max_norm = MaxNorm, NonNeg, UnitNorm, MinMaxNorm
"""Keras' lower-case names."""

ConstraintLike: TypeAlias = (
    str | Mapping[str, Any] | type[Constraint] | Callable[[Tensor], Tensor] | None
)
"""What a `..._constraint` argument takes: a name, a config, a class, an instance, a function."""

_REGISTRY = Registry[type[Constraint]]("constraint")
for _class in (MaxNorm, NonNeg, UnitNorm, MinMaxNorm):
    _REGISTRY.add(_class)


def get(identifier: ConstraintLike) -> Callable[[Tensor], Tensor] | None:
    """Return the constraint that `identifier` stands for.

    Args:
        identifier: A name (`"max_norm"`), a config, a class, an instance, any function of a
            tensor, or `None`, which stays `None`.

    Raises:
        UsageError: If the name is unknown or the thing cannot be called.

    Example:
        >>> import torch
        >>> get("non_neg")(torch.tensor([-1.0]))
        tensor([0.])
    """
    if identifier is None:
        return None
    if isinstance(identifier, str):
        return _REGISTRY[identifier]()
    if isinstance(identifier, Mapping):
        return deserialize(identifier)
    if isinstance(identifier, type) and issubclass(identifier, Constraint):
        return identifier()
    if callable(identifier) and not isinstance(identifier, type):
        return identifier
    raise UsageTypeError(f"got {identifier!r}; expected the name of a constraint, or a callable")


def serialize(constraint: Constraint) -> dict[str, Any]:
    """Return the class name and config from which `deserialize` makes the same constraint."""
    return {"class_name": type(constraint).__name__, "config": constraint.get_config()}


def deserialize(config: Mapping[str, Any]) -> Constraint:
    """Return the constraint that a config describes; its `config` part may be missing."""
    return _REGISTRY[config["class_name"]].from_config(config.get("config") or {})
