"""The vocabulary of `epochal.backend` under the name, and with the defaults, of `keras.ops`.

Four functions differ in what they do when no axis is named: here `argmax` and `argmin` count
through the flattened tensor, `cumsum` runs through it, and `concatenate` joins the first axis.
"""

# ruff: noqa: A004  (`ops.sum` and `ops.max` are the contract, and nothing here uses the builtins)

from collections.abc import Sequence
from typing import Never

from torch import Tensor

from epochal import backend
from epochal.backend import (
    abs,
    all,
    any,
    arange,
    argsort,
    batch_flatten,
    cast,
    clear_session,
    clip,
    convert_to_numpy,
    convert_to_tensor,
    dot,
    epsilon,
    equal,
    exp,
    expand_dims,
    flatten,
    floatx,
    get_value,
    greater,
    greater_equal,
    int_shape,
    is_tensor,
    isfinite,
    isnan,
    less,
    less_equal,
    log,
    log1p,
    logical_and,
    logical_not,
    logical_or,
    matmul,
    max,
    maximum,
    mean,
    min,
    minimum,
    ndim,
    not_equal,
    one_hot,
    ones,
    ones_like,
    power,
    relu,
    repeat,
    reshape,
    round,
    set_value,
    shape,
    sigmoid,
    sign,
    size,
    softmax,
    sort,
    sqrt,
    square,
    squeeze,
    stack,
    std,
    sum,
    take,
    tanh,
    tile,
    top_k,
    transpose,
    var,
    where,
    zeros,
    zeros_like,
)
from epochal.backend.convert import TensorLike
from epochal.core.errors import reject_unknown

__all__ = [
    "abs",
    "all",
    "any",
    "arange",
    "argmax",
    "argmin",
    "argsort",
    "batch_flatten",
    "cast",
    "clear_session",
    "clip",
    "concatenate",
    "convert_to_numpy",
    "convert_to_tensor",
    "cumsum",
    "dot",
    "epsilon",
    "equal",
    "exp",
    "expand_dims",
    "flatten",
    "floatx",
    "get_value",
    "greater",
    "greater_equal",
    "int_shape",
    "is_tensor",
    "isfinite",
    "isnan",
    "less",
    "less_equal",
    "log",
    "log1p",
    "logical_and",
    "logical_not",
    "logical_or",
    "matmul",
    "max",
    "maximum",
    "mean",
    "min",
    "minimum",
    "ndim",
    "not_equal",
    "one_hot",
    "ones",
    "ones_like",
    "power",
    "relu",
    "repeat",
    "reshape",
    "round",
    "set_value",
    "shape",
    "sigmoid",
    "sign",
    "size",
    "softmax",
    "sort",
    "sqrt",
    "square",
    "squeeze",
    "stack",
    "std",
    "sum",
    "take",
    "tanh",
    "tile",
    "top_k",
    "transpose",
    "var",
    "where",
    "zeros",
    "zeros_like",
]


def argmax(
    x: TensorLike, axis: int | None = None, keepdims: bool = False, **unknown: Never
) -> Tensor:
    """Return where the largest entry along `axis` stands, in the flattened tensor if `None`.

    Example:
        >>> argmax([[1, 2], [4, 3]]), argmax([[1, 2], [4, 3]], axis=-1)
        (tensor(2), tensor([1, 0]))
    """
    reject_unknown(argmax, unknown)
    return backend.argmax(x, axis, keepdims)


def argmin(
    x: TensorLike, axis: int | None = None, keepdims: bool = False, **unknown: Never
) -> Tensor:
    """Return where the smallest entry along `axis` stands, in the flattened tensor if `None`.

    Example:
        >>> argmin([[1, 2], [4, 3]])
        tensor(0)
    """
    reject_unknown(argmin, unknown)
    return backend.argmin(x, axis, keepdims)


def cumsum(x: TensorLike, axis: int | None = None, **unknown: Never) -> Tensor:
    """Return the running sums along `axis`, through the flattened tensor if `None`.

    Example:
        >>> cumsum([[1, 2], [3, 4]])
        tensor([ 1,  3,  6, 10])
    """
    reject_unknown(cumsum, unknown)
    return backend.cumsum(x, axis)


def concatenate(xs: Sequence[TensorLike], axis: int = 0, **unknown: Never) -> Tensor:
    """Return several tensors one after another along an axis they have, the first by default.

    Example:
        >>> concatenate([[[1, 2]], [[3, 4]]])
        tensor([[1, 2],
                [3, 4]])
    """
    reject_unknown(concatenate, unknown)
    return backend.concatenate(xs, axis)
