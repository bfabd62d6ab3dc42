"""One weight of a metric: a value that updates replace and never change in place."""

from collections.abc import Callable, Sequence
from typing import Any, Literal

import numpy as np
import torch
from torch import Tensor

from epochal.core.errors import UsageError, unknown_name

__all__ = ["Reduction", "Weight"]

Reduction = Literal["sum", "max", "min", "concat"]


class Weight:
    """A metric's tensor. Every assignment makes a new one, so an older value stays as it was.

    It moves to the device of what it is updated with, and stands for its value in arithmetic and
    in torch's and NumPy's functions.

    Example:
        >>> total = Weight((), "zeros", torch.float64, "total", "sum")
        >>> before = total.value
        >>> total.assign_add(2.5)
        >>> float(total / 2), float(torch.sqrt(total * 10)), float(before)
        (1.25, 5.0, 0.0)
    """

    __slots__ = ("_initial", "dtype", "name", "reduction", "shape", "value")

    def __init__(
        self, shape: Any, initializer: Any, dtype: Any, name: str, reduction: Reduction
    ) -> None:
        if reduction not in ("sum", "max", "min", "concat"):
            raise UsageError(unknown_name("reduction", reduction, ("sum", "max", "min", "concat")))
        self.shape = (shape,) if isinstance(shape, int) else tuple(shape or ())
        self.dtype = getattr(torch, dtype) if isinstance(dtype, str) else dtype
        self.name = name
        self.reduction = reduction
        self._initial = _initial(initializer, self.shape, self.dtype)
        self.value = self._initial

    def assign(self, value: Any) -> None:
        """Replace the value; it has to fit the weight's shape unless that is concatenated."""
        tensor = torch.as_tensor(value).detach().to(self.dtype)
        if self.reduction != "concat":
            tensor = tensor.expand(self.shape) if tensor.shape != self.shape else tensor
        # A copy: the caller may go on changing what it passed in.
        self.value = tensor.clone() if isinstance(value, Tensor) else tensor

    def assign_add(self, value: Any) -> None:
        """Add to the value."""
        if isinstance(value, Tensor):
            value = value.detach()
            if value.device != self.value.device:
                self.value = self.value.to(value.device)
        self.value = (self.value + value).to(self.dtype)

    def assign_sub(self, value: Any) -> None:
        """Subtract from the value."""
        self.assign_add(-value)

    def reset(self) -> None:
        """Go back to the initial value."""
        self.value = self._initial

    def numpy(self) -> Any:
        """Return the value as a NumPy array."""
        return self.value.cpu().numpy()

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> Any:
        return np.array(self.numpy(), dtype=dtype, copy=copy)

    @classmethod
    def __torch_function__(
        cls,
        function: Callable[..., Any],
        types: Sequence[type],
        args: Sequence[Any] = (),
        kwargs: dict[str, Any] | None = None,
    ) -> Any:
        return function(*map(_value, args), **{k: _value(v) for k, v in (kwargs or {}).items()})

    def __float__(self) -> float:
        return float(self.value)

    def __int__(self) -> int:
        return int(self.value)

    def __bool__(self) -> bool:
        return bool(self.value)

    def __len__(self) -> int:
        return len(self.value)

    def __getitem__(self, index: Any) -> Tensor:
        return self.value[index]

    def __add__(self, other: Any) -> Any:
        return self.value + _value(other)

    def __sub__(self, other: Any) -> Any:
        return self.value - _value(other)

    def __mul__(self, other: Any) -> Any:
        return self.value * _value(other)

    def __truediv__(self, other: Any) -> Any:
        return self.value / _value(other)

    def __pow__(self, other: Any) -> Any:
        return self.value ** _value(other)

    def __radd__(self, other: Any) -> Any:
        return other + self.value

    def __rsub__(self, other: Any) -> Any:
        return other - self.value

    def __rmul__(self, other: Any) -> Any:
        return other * self.value

    def __rtruediv__(self, other: Any) -> Any:
        return other / self.value

    def __neg__(self) -> Tensor:
        return -self.value

    def __lt__(self, other: Any) -> Any:
        return self.value < _value(other)

    def __le__(self, other: Any) -> Any:
        return self.value <= _value(other)

    def __gt__(self, other: Any) -> Any:
        return self.value > _value(other)

    def __ge__(self, other: Any) -> Any:
        return self.value >= _value(other)

    def __repr__(self) -> str:
        return f"<Weight {self.name} {self.value.tolist()}>"


def _value(thing: Any) -> Any:
    return thing.value if isinstance(thing, Weight) else thing


def _initial(initializer: Any, shape: tuple[int, ...], dtype: torch.dtype) -> Tensor:
    if initializer in (None, "zeros"):
        return torch.zeros(shape, dtype=dtype)
    if initializer == "ones":
        return torch.ones(shape, dtype=dtype)
    if isinstance(initializer, (int, float)):
        return torch.full(shape, initializer, dtype=dtype)
    if callable(initializer):
        return torch.as_tensor(initializer(shape)).to(dtype)
    raise UsageError(
        unknown_name("initializer of a metric's weight", initializer, ("zeros", "ones"))
    )
