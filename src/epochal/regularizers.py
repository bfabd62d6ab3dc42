"""Penalties on weights or outputs that are added to the loss."""

from collections.abc import Callable, Mapping
from typing import Any, Never, TypeAlias

import torch
from torch import Tensor

from epochal.core.config import Configurable
from epochal.core.errors import UsageError, UsageTypeError, reject_unknown
from epochal.core.names import Registry

__all__ = [
    "L1",
    "L1L2",
    "L2",
    "OrthogonalRegularizer",
    "Regularizer",
    "RegularizerLike",
    "deserialize",
    "get",
    "l1",
    "l1_l2",
    "l2",
    "orthogonal_regularizer",
    "serialize",
]


class Regularizer(Configurable):
    """Base of the penalties; override `__call__` to write one.

    Example:
        >>> class Peak(Regularizer):
        ...     def __call__(self, x):
        ...         return x.abs().max()
        >>> Peak()(torch.tensor([1.0, -3.0]))
        tensor(3.)
    """

    def __call__(self, x: Tensor) -> Tensor:
        """Return the penalty of `x`, in Keras' layout, as a tensor without axes."""
        raise NotImplementedError(f"{type(self).__name__} has no `__call__(x)`; write one")


class L1(Regularizer):
    """`l1 * sum(|x|)`: pushes weights to exactly zero.

    Args:
        l1: The factor.

    Example:
        >>> L1(0.1)(torch.tensor([1.0, -3.0]))
        tensor(0.4000)
    """

    def __init__(self, l1: float = 0.01, **unknown: Never) -> None:
        reject_unknown(L1.__init__, unknown)
        self.l1 = float(l1)

    def __call__(self, x: Tensor) -> Tensor:
        """Return the penalty of `x`."""
        return self.l1 * x.abs().sum()


class L2(Regularizer):
    """`l2 * sum(x**2)`: keeps weights small.

    Args:
        l2: The factor.

    Example:
        >>> L2(0.1)(torch.tensor([1.0, -3.0]))
        tensor(1.)
    """

    def __init__(self, l2: float = 0.01, **unknown: Never) -> None:
        reject_unknown(L2.__init__, unknown)
        self.l2 = float(l2)

    def __call__(self, x: Tensor) -> Tensor:
        """Return the penalty of `x`."""
        return self.l2 * x.square().sum()


class L1L2(Regularizer):
    """`l1 * sum(|x|) + l2 * sum(x**2)`.

    Args:
        l1: The factor of the absolute values.
        l2: The factor of the squares.

    Example:
        >>> L1L2(l1=0.1, l2=0.1)(torch.tensor([1.0, -3.0]))
        tensor(1.4000)
    """

    def __init__(self, l1: float = 0.0, l2: float = 0.0, **unknown: Never) -> None:
        reject_unknown(L1L2.__init__, unknown)
        # `l1_l2=None` is how Keras' older configs write "none of it".
        self.l1, self.l2 = float(l1 or 0.0), float(l2 or 0.0)

    def __call__(self, x: Tensor) -> Tensor:
        """Return the penalty of `x`."""
        return self.l1 * x.abs().sum() + self.l2 * x.square().sum()


class OrthogonalRegularizer(Regularizer):
    """Half the mean size of the off-diagonal products of the normalised rows or columns.

    Args:
        factor: Multiplies the penalty.
        mode: `"rows"` or `"columns"`: which of them should become orthogonal.

    Raises:
        UsageError: If `mode` is neither.

    Example:
        >>> OrthogonalRegularizer(1.0)(torch.eye(2))
        tensor(0.)
    """

    def __init__(self, factor: float = 0.01, mode: str = "rows", **unknown: Never) -> None:
        reject_unknown(OrthogonalRegularizer.__init__, unknown)
        if mode not in ("rows", "columns"):
            raise UsageError(f"OrthogonalRegularizer: got mode={mode!r}; expected rows or columns")
        self.factor, self.mode = float(factor), mode

    def __call__(self, x: Tensor) -> Tensor:
        """Return the penalty of `x`, which has two axes."""
        rows = torch.nn.functional.normalize(x if self.mode == "rows" else x.T, dim=1, eps=1e-6)
        products = rows @ rows.T
        count = len(rows)
        off_diagonal = products * (1.0 - torch.eye(count, dtype=x.dtype, device=x.device))
        return self.factor * 0.5 * off_diagonal.abs().sum() / max(1.0, count * (count - 1) / 2.0)


l1, l2, l1_l2 = L1, L2, L1L2
orthogonal_regularizer = OrthogonalRegularizer
"""Keras' lower-case names."""

RegularizerLike: TypeAlias = (
    str | Mapping[str, Any] | type[Regularizer] | Callable[[Tensor], Tensor] | None
)
"""What a `..._regularizer` argument takes: a name, a config, a class, an instance, a function."""

_REGISTRY = Registry[type[Regularizer]]("regularizer")
_REGISTRY.add(L1)
_REGISTRY.add(L2)
_REGISTRY.add(L1L2, "l1_l2")
_REGISTRY.add(OrthogonalRegularizer)


def get(identifier: RegularizerLike) -> Callable[[Tensor], Tensor] | None:
    """Return the regularizer that `identifier` stands for.

    Args:
        identifier: A name (`"l2"`), a config, a class, an instance, any function of a tensor, or
            `None`, which stays `None`.

    Raises:
        UsageError: If the name is unknown or the thing cannot be called.

    Example:
        >>> get("l2").get_config()
        {'l2': 0.01}
    """
    if identifier is None:
        return None
    if isinstance(identifier, str):
        if identifier in ("l1_l2", "L1L2", "l1l2"):
            return L1L2(0.01, 0.01)  # both zero, the class' own default, would be no penalty at all
        return _REGISTRY[identifier]()
    if isinstance(identifier, Mapping):
        return deserialize(identifier)
    if isinstance(identifier, type) and issubclass(identifier, Regularizer):
        return identifier()
    if callable(identifier) and not isinstance(identifier, type):
        return identifier
    raise UsageTypeError(f"got {identifier!r}; expected the name of a regularizer, or a callable")


def serialize(regularizer: Regularizer) -> dict[str, Any]:
    """Return the class name and config from which `deserialize` makes the same regularizer."""
    return {"class_name": type(regularizer).__name__, "config": regularizer.get_config()}


def deserialize(config: Mapping[str, Any]) -> Regularizer:
    """Return the regularizer that a config describes; its `config` part may be missing."""
    return _REGISTRY[config["class_name"]].from_config(config.get("config") or {})
