"""One weight of a metric: a value that updates replace and never change in place."""

from collections.abc import Callable, Sequence
from typing import Any, Literal, Self

import numpy as np
import torch
from torch import Tensor

from epochal import initializers
from epochal.backend.convert import as_dtype
from epochal.core.errors import UsageError, unknown_name

__all__ = ["Reduction", "Weight"]

Reduction = Literal["sum", "max", "min", "concat"]


class Weight:
    """A metric's tensor. Every assignment makes a new one, so an older value stays as it was.

    It moves to the device of what it is updated with, and stands for its value in arithmetic and
    in torch's and NumPy's functions.

    Args:
        shape: Its shape, `()` for a number; None for a size that the first update decides, as in
            `(None,)`. Until then the weight is a number.
        initializer: The name of an initializer, a number, or a function of the shape.
        dtype: Its type.
        name: Its name in saved states.
        reduction: How the weights of several processes become one.

    Example:
        >>> total = Weight((), "zeros", torch.float64, "total", "sum")
        >>> before = total.value
        >>> total.assign_add(2.5)
        >>> float(total / 2), float(torch.sqrt(total * 10)), float(before)
        (1.25, 5.0, 0.0)
    """

    __slots__ = ("_held", "_initial", "_open", "_rows", "dtype", "name", "reduction", "shape")

    _held: Tensor

    def __init__(
        self, shape: Any, initializer: Any, dtype: Any, name: str, reduction: Reduction
    ) -> None:
        if reduction not in ("sum", "max", "min", "concat"):
            raise UsageError(unknown_name("reduction", reduction, ("sum", "max", "min", "concat")))
        self.shape = (shape,) if isinstance(shape, int) else tuple(shape or ())
        self.dtype = as_dtype(dtype)
        self.name = name
        self.reduction = reduction
        self._open = None in self.shape
        self._rows: list[Tensor] = []
        self._initial = _initial(initializer, () if self._open else self.shape, self.dtype)
        self.reset()

    @property
    def value(self) -> Tensor:
        """The tensor itself."""
        if self._rows:
            self._held, self._rows = torch.cat([self._held, *self._rows]), []
        return self._held

    @value.setter
    def value(self, value: Tensor) -> None:
        self._held, self._rows = value, []

    def assign(self, value: Any) -> None:
        """Replace the value by a copy of another of the same shape; a number fills all of it.

        Raises:
            UsageError: If the shape is another one (unless the weight is for concatenation).
        """
        tensor = _tensor(value).to(self.dtype)
        if tensor.ndim == 0 and self.reduction != "concat" and not self._open:
            tensor = tensor.expand(self.shape)
        self._check(tensor)
        # A copy: the caller may go on changing what it passed in.
        self.value = tensor.clone()

    def assign_add(self, value: Any) -> None:
        """Add a number, or a value of the same shape.

        Raises:
            UsageError: If the shapes do not fit.
        """
        if not isinstance(value, (int, float)):
            value = _tensor(value)
            self._follow(value)
            if self._open and 0 < self.value.ndim == value.ndim and value.shape != self.value.shape:
                raise UsageError(
                    f"the weight {self.name!r} has the shape {tuple(self.value.shape)} since the "
                    f"first batch; this one needs {tuple(value.shape)}: give all batches the same "
                    "number of outputs, or call reset_state first"
                )
        try:
            added = (self.value + value).to(self.dtype)
        except RuntimeError:
            self._check(value)
            raise
        self._check(added)
        self.value = added

    def assign_sub(self, value: Any) -> None:
        """Subtract a number, or a value of the same shape.

        Raises:
            UsageError: If the shapes do not fit.
        """
        self.assign_add(-value if isinstance(value, (int, float)) else -_tensor(value))

    def append(self, rows: Any) -> None:
        """Add rows at the end of a weight for concatenation; they are joined when it is read.

        Raises:
            UsageError: If the weight is for something else, or the rows have other sizes.
        """
        rows = _tensor(rows).to(self.dtype)
        if self.reduction != "concat":
            raise UsageError(
                f"the weight {self.name!r} has the reduction {self.reduction!r}; rows are appended "
                "to one with add_weight(..., reduction='concat')"
            )
        self._follow(rows)
        before = self._rows[-1] if self._rows else self._held
        if before.shape[1:] != rows.shape[1:] and len(before):
            raise UsageError(
                f"the weight {self.name!r} holds rows of the shape {tuple(before.shape[1:])}; it "
                f"got rows of {tuple(rows.shape[1:])}"
            )
        if not self._rows and not len(before):
            self._held = rows.clone()  # the caller may go on changing what it passed in
        else:
            self._rows.append(rows.clone())

    def merge(self, values: Sequence[Tensor]) -> None:
        """Make one value of this and those of the same weight elsewhere, by its reduction.

        Raises:
            UsageError: If the shapes differ.
        """
        values = [value.to(self.value.device, self.dtype) for value in values]
        sizes = {value.shape for value in (self.value, *values)}
        if self._open:
            sizes.discard(torch.Size([]))  # where nothing has been taken in yet
        if len(sizes) > 1 and self.reduction != "concat":
            raise UsageError(
                f"the weight {self.name!r} has the shapes {sorted(map(tuple, sizes))} in metrics "
                "that are to be merged; make them with the same arguments"
            )
        if self.reduction == "concat":
            filled = [value for value in (self.value, *values) if len(value)]
            self.value = torch.cat(filled) if filled else self.value
            return
        for value in values:
            if self.reduction == "sum":
                self.value = self.value + value
            else:
                join = torch.maximum if self.reduction == "max" else torch.minimum
                self.value = join(self.value, value)

    def reset(self) -> None:
        """Go back to the initial value."""
        self.value = self._initial.clone()

    def numpy(self) -> Any:
        """Return a copy of the value as a NumPy array; waits for the device."""
        return self.value.detach().cpu().numpy().copy()

    def item(self) -> Any:
        """Return the value of a weight without axes as a Python number; waits for the device."""
        return self.value.item()

    def _follow(self, value: Tensor) -> None:
        """Go to the device that outputs are on, once: the initial value goes along."""
        if value.device != self.value.device and (value.ndim or not value.is_cpu):
            self.value = self.value.to(value.device, non_blocking=True)
            self._initial = self._initial.to(value.device, non_blocking=True)

    def _check(self, value: Tensor) -> None:
        fits = value.ndim in (0, len(self.shape)) if self._open else value.shape == self.shape
        if not fits and self.reduction != "concat":
            raise UsageError(
                f"the weight {self.name!r} has the shape {self.shape}; it got a value of "
                f"{tuple(value.shape)}: sum or average it to the weight's shape first"
            )

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> Any:
        return np.asarray(self.numpy(), dtype=dtype)

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

    # `self.total += x` keeps the weight; without these it would put a tensor in its place, which
    # nothing resets.

    def __iadd__(self, other: Any) -> Self:
        self.assign_add(other)
        return self

    def __isub__(self, other: Any) -> Self:
        self.assign_sub(other)
        return self

    def __imul__(self, other: Any) -> Self:
        self.assign(self * other)
        return self

    def __itruediv__(self, other: Any) -> Self:
        self.assign(self / other)
        return self

    def __add__(self, other: Any) -> Any:
        return self.value + _value(other)

    def __sub__(self, other: Any) -> Any:
        return self.value - _value(other)

    def __mul__(self, other: Any) -> Any:
        return self.value * _value(other)

    def __truediv__(self, other: Any) -> Any:
        return self.value / _value(other)

    def __floordiv__(self, other: Any) -> Any:
        return self.value // _value(other)

    def __mod__(self, other: Any) -> Any:
        return self.value % _value(other)

    def __matmul__(self, other: Any) -> Any:
        return self.value @ _value(other)

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

    def __rpow__(self, other: Any) -> Any:
        return other**self.value

    def __neg__(self) -> Tensor:
        return -self.value

    def __abs__(self) -> Tensor:
        return abs(self.value)

    def __lt__(self, other: Any) -> Any:
        return self.value < _value(other)

    def __le__(self, other: Any) -> Any:
        return self.value <= _value(other)

    def __gt__(self, other: Any) -> Any:
        return self.value > _value(other)

    def __ge__(self, other: Any) -> Any:
        return self.value >= _value(other)

    # As tensors compare: `if self.count == 0` in a `result` asks for the value.
    def __eq__(self, other: Any) -> Any:
        return self.value == _value(other)

    def __ne__(self, other: Any) -> Any:
        return self.value != _value(other)

    __hash__ = object.__hash__

    def __repr__(self) -> str:
        return f"<Weight {self.name} {self.value.tolist()}>"


def _value(thing: Any) -> Any:
    """Return the value of a weight, also inside of lists (`torch.stack([total, count])`)."""
    if isinstance(thing, Weight):
        return thing.value
    if type(thing) in (list, tuple):
        return type(thing)(map(_value, thing))
    return thing


def _tensor(value: Any) -> Tensor:
    value = _value(value)
    if isinstance(value, Tensor):
        return value.detach()
    # Copied: torch cannot wrap reversed arrays, and the caller may go on changing its own.
    return torch.from_numpy(np.array(value, order="C"))


def _initial(initializer: Any, shape: tuple[int, ...], dtype: torch.dtype) -> Tensor:
    if isinstance(initializer, (int, float)):
        return torch.full(shape, initializer, dtype=dtype)
    function = initializers.get(initializer) or initializers.Zeros()
    return torch.as_tensor(function(shape)).to(dtype)
