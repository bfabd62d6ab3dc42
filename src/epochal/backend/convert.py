"""What counts as a tensor, and the way there and back; the rest of the room converts here."""

from collections.abc import Sequence
from typing import Any, Never, Protocol, TypeAlias, runtime_checkable

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from epochal.core.errors import UsageError, UsageTypeError, reject_unknown, unknown_name

__all__ = [
    "DType",
    "TensorLike",
    "as_dtype",
    "cast",
    "check_axis",
    "clear_session",
    "convert_to_numpy",
    "convert_to_tensor",
    "epsilon",
    "floatx",
    "get_value",
    "is_tensor",
    "set_value",
    "to_tensors",
]


class SupportsArray(Protocol):
    """NumPy arrays and scalars, pandas frames and series, metric weights."""

    def __array__(self) -> npt.NDArray[Any]: ...


@runtime_checkable
class HasValue(Protocol):
    """Something that keeps a tensor, as a metric's weight does."""

    value: Tensor


@runtime_checkable
class Assignable(Protocol):
    """Something that takes a new value: a metric's weight, an optimizer's learning rate."""

    def assign(self, value: Any) -> object: ...


TensorLike: TypeAlias = Tensor | SupportsArray | Sequence[Any] | float
DType: TypeAlias = str | torch.dtype | npt.DTypeLike

_DTYPES = {
    str(dtype).removeprefix("torch."): dtype
    for dtype in (
        torch.float16, torch.bfloat16, torch.float32, torch.float64,
        torch.int8, torch.int16, torch.int32, torch.int64,
        torch.uint8, torch.uint16, torch.uint32, torch.uint64,
        torch.bool, torch.complex64, torch.complex128,
    )
}  # fmt: skip


def floatx() -> str:
    """Return the name of the type that numbers with a fraction get.

    Example:
        >>> floatx()
        'float32'
    """
    return "float32"


def epsilon() -> float:
    """Return the small number that keeps a division from failing.

    Example:
        >>> epsilon()
        1e-07
    """
    return 1e-7


def clear_session() -> None:
    """Do nothing: there is no session here, and a model is freed when nothing refers to it.

    It exists for code that calls Keras' function of this name between models.
    """


def as_dtype(dtype: DType) -> torch.dtype:
    """Return torch's type for a name (`"float32"`), a NumPy type or torch's own.

    Raises:
        UsageError: If no such type exists; names the nearest one.

    Example:
        >>> as_dtype("int64"), as_dtype(np.uint8)
        (torch.int64, torch.uint8)
    """
    if isinstance(dtype, torch.dtype):
        return dtype
    if dtype is float:
        return torch.float32
    name = dtype.removeprefix("torch.") if isinstance(dtype, str) else str(np.dtype(dtype))
    if name not in _DTYPES:
        raise UsageError(unknown_name("dtype", name, _DTYPES))
    return _DTYPES[name]


def is_tensor(x: object) -> bool:
    """Return whether `x` is a torch tensor.

    Example:
        >>> is_tensor(torch.ones(2)), is_tensor([1.0, 1.0])
        (True, False)
    """
    return isinstance(x, Tensor)


def convert_to_tensor(x: TensorLike, dtype: DType | None = None, **unknown: Never) -> Tensor:
    """Return `x` as a torch tensor; a tensor of the right type is returned as it is.

    Args:
        x: A tensor, NumPy array, pandas object, number, or nested lists of them; any shape.
        dtype: The type to have. By default tensors keep theirs, whole numbers stay whole, and
            NumPy's float64 and Python's floats become float32.

    Returns:
        A tensor that shares memory with `x` only if `x` is a tensor.

    Raises:
        UsageTypeError: If `x` holds something else than numbers.
        UsageError: If nested lists are of unequal lengths, or no such dtype exists.

    Example:
        >>> convert_to_tensor([[1, 2], [3, 4]], dtype="float32")
        tensor([[1., 2.],
                [3., 4.]])
    """
    reject_unknown(convert_to_tensor, unknown)
    tensor = _tensor(x, None)
    return tensor if dtype is None else tensor.to(as_dtype(dtype))


def cast(x: TensorLike, dtype: DType) -> Tensor:
    """Return `x` with its numbers as `dtype`.

    Example:
        >>> cast([0.2, 1.8], "int64")
        tensor([0, 1])
    """
    return _tensor(x, None).to(as_dtype(dtype))


def to_tensors(*values: TensorLike) -> list[Tensor]:
    """Return all values as tensors, on the device of the first one that already is a tensor.

    Single numbers become tensors without axes, which do not raise the type of the others.

    Example:
        >>> [t.dtype for t in to_tensors(torch.ones(2, dtype=torch.float16), 0.5)]
        [torch.float16, torch.float32]
    """
    if len(values) == 1:
        return [_tensor(values[0], None)]
    device = next((found for value in values if (found := _device(value)) is not None), None)
    return [_tensor(value, device) for value in values]


def check_axis(tensor: Tensor, axis: int | None) -> int | None:
    """Return `axis` if `tensor` has it (or it is `None`); torch's own error does not say the shape.

    Raises:
        UsageError: If there is no such axis.
    """
    rank = tensor.ndim
    if axis is not None and not -rank <= axis < rank:
        axes = f"its axes go from {-rank} to {rank - 1}" if rank else "it is a single number"
        raise UsageError(
            f"axis {axis} does not exist in a tensor of shape {tuple(tensor.shape)}; {axes}"
        )
    return axis


def convert_to_numpy(x: TensorLike) -> npt.NDArray[Any]:
    """Return `x` as a NumPy array of its own shape; waits for the device.

    Use it to hand tensors to NumPy or scikit-learn: gradients are left behind, and bfloat16, which
    NumPy lacks, becomes float32.

    Example:
        >>> convert_to_numpy(torch.ones(2, requires_grad=True))
        array([1., 1.], dtype=float32)
    """
    if not isinstance(x, Tensor):
        if not isinstance(x, HasValue) or not isinstance(x.value, Tensor):
            return np.asarray(x)
        x = x.value
    tensor = x.detach().cpu().resolve_conj().resolve_neg()
    array: npt.NDArray[Any] = (
        tensor.float().numpy() if tensor.dtype == torch.bfloat16 else tensor.numpy()
    )
    return array


def get_value(x: TensorLike) -> Any:
    """Return what `x` holds: a Python number if it has no axes, else a NumPy array.

    Use it on a learning rate, a metric's weight or a parameter; waits for the device.

    Example:
        >>> get_value(torch.tensor(0.5)), get_value(torch.tensor([1, 2]))
        (0.5, array([1, 2]))
    """
    array = convert_to_numpy(x)
    # `tensor.numpy()` is a view; a value that was got must not change with the weights later.
    return array.item() if array.ndim == 0 else array.copy()


def set_value(x: Tensor | Assignable, value: TensorLike) -> None:
    """Give a parameter, tensor, metric's weight or learning rate a new value, in place.

    Args:
        x: A tensor of any shape, or an object with an `assign` method.
        value: The new value, of the same shape.

    Raises:
        UsageError: If the shapes differ.
        UsageTypeError: If `x` cannot be changed in place.

    Example:
        >>> weight = torch.nn.Parameter(torch.zeros(2))
        >>> set_value(weight, [1.0, 2.0])
        >>> weight.tolist()
        [1.0, 2.0]
    """
    if isinstance(x, Tensor):
        new = _tensor(value, x.device)
        if new.shape != x.shape:
            raise UsageError(
                f"set_value: the value's shape {tuple(new.shape)} is not the tensor's, "
                f"{tuple(x.shape)}"
            )
        with torch.no_grad():
            x.copy_(new)
    elif isinstance(x, Assignable):
        x.assign(value)
    else:
        raise UsageTypeError(
            f"set_value: a value of type {type(x).__name__} cannot be changed in place; give a "
            "tensor, a parameter or the optimizer's learning_rate, or set the attribute itself"
        )


def _device(value: object) -> torch.device | None:
    if isinstance(value, Tensor):
        return value.device
    if isinstance(value, HasValue) and isinstance(value.value, Tensor):
        return value.value.device
    if isinstance(value, (list, tuple)):
        return next((found for item in value if (found := _device(item)) is not None), None)
    return None


def _tensor(x: object, device: torch.device | None) -> Tensor:
    if not isinstance(x, Tensor) and isinstance(x, HasValue) and isinstance(x.value, Tensor):
        x = x.value
    if isinstance(x, Tensor):
        return x if device is None or x.device == device else x.to(device)
    if isinstance(x, (list, tuple)) and _device(x) is not None:
        return _stacked(x, device)
    try:
        array = np.asarray(x)
    except ValueError as error:
        raise UsageError(f"nested lists of unequal lengths are no tensor: {error}") from error
    kind, width = array.dtype.kind, array.dtype.itemsize
    if kind not in "fiubc":
        raise UsageTypeError(
            f"cannot make a tensor of {type(x).__name__} (NumPy type {array.dtype}); give a "
            "tensor, a NumPy array, a number or nested lists of numbers of equal lengths"
        )
    target = array.dtype.newbyteorder("=")  # torch reads the machine's own byte order only
    if kind == "f" and width >= 8:
        target = np.dtype(np.float32)
    elif kind == "c":
        target = np.dtype(np.complex64)
    # NumPy warns where a number is too large for float32 and becomes infinite; let it.
    # A copy, always: a tensor over a caller's array would change with it, and torch warns about
    # arrays that are read only and refuses reversed ones.
    return torch.from_numpy(np.array(array, dtype=target, order="C")).to(device or "cpu")


def _stacked(items: Sequence[object], device: torch.device | None) -> Tensor:
    """Return lists that hold tensors somewhere as one tensor with an axis more."""
    device = _device(items) if device is None else device
    tensors = [_tensor(item, device) for item in items]
    if len({tensor.shape for tensor in tensors}) > 1:
        shapes = ", ".join(str(tuple(tensor.shape)) for tensor in tensors)
        raise UsageError(f"tensors of unequal shapes are not one tensor: {shapes}")
    return torch.stack(tensors)
