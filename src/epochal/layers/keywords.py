"""The keyword arguments that every layer takes, and the check that refuses any other."""

import inspect
from collections.abc import Mapping, Sequence
from typing import Any, TypeAlias, TypedDict

import torch

from epochal.core.errors import Problems, UsageError, unknown_name
from epochal.regularizers import RegularizerLike

__all__ = [
    "LayerKeywords",
    "SharedKeywords",
    "Unsupported",
    "check_dtype",
    "check_keywords",
    "shape_from",
]

Unsupported: TypeAlias = Mapping[str, tuple[object, str]]
"""Keras' arguments that a layer does not do: the value that leaves each unused, and the reason."""


class SharedKeywords(TypedDict, total=False):
    """What every layer takes after its own arguments.

    Attributes:
        name: The layer's name; snake case of its class if not given.
        trainable: `False` freezes the layer's weights.
        dtype: Of the weights, `"float32"` if not given.
        activity_regularizer: A penalty on the layer's output, averaged over the batch.
        input_shape: The shape of one input, without the batch axis; lets a Sequential be built
            before it sees data.
        batch_input_shape: The same with the batch axis.
    """

    name: str | None
    trainable: bool
    dtype: str | torch.dtype | None
    activity_regularizer: RegularizerLike
    input_shape: Sequence[int | None] | None
    batch_input_shape: Sequence[int | None] | None


class LayerKeywords(SharedKeywords, total=False):
    """`SharedKeywords`, and `input_dim=n` as a short form of `input_shape=(n,)`."""

    input_dim: int | None


def check_keywords(layer: type, keywords: Mapping[str, Any], unsupported: Unsupported) -> None:
    """Refuse keyword arguments that `layer` does not have or does not support.

    Args:
        layer: Whose constructor was called.
        keywords: What reached the base class.
        unsupported: Keras arguments that the layer knows of but does not do, each with the value
            that means "not used" and the reason.

    Raises:
        UsageTypeError: For an unknown argument.
        UsageError: For one that is not supported and not at the value that leaves it unused.
    """
    problems = Problems(layer.__name__)
    for name, value in keywords.items():
        if name in unsupported:
            neutral, reason = unsupported[name]
            if value != neutral:
                problems.add(f"{name}={value!r} is not supported: {reason}")
        elif name not in LayerKeywords.__annotations__:
            problems.add(unknown_name("argument", name, _valid(layer)), of_type=True)
    problems.raise_if_any()


def _valid(layer: type) -> list[str]:
    """Return the names that a layer's constructor takes."""
    parameters = inspect.signature(layer).parameters.values()
    named = [p.name for p in parameters if p.kind in (p.POSITIONAL_OR_KEYWORD, p.KEYWORD_ONLY)]
    return list(dict.fromkeys([*named, *LayerKeywords.__annotations__]))


def shape_from(layer: str, keywords: LayerKeywords) -> tuple[int | None, ...] | None:
    """Return the shape of one input that the keywords give in one of their three ways.

    Raises:
        UsageError: If more than one way is used, or a size is not positive.
    """
    given = []
    if (shape := keywords.get("input_shape")) is not None:
        given.append((shape,) if isinstance(shape, int) else tuple(shape))
    if (size := keywords.get("input_dim")) is not None:
        given.append((size,))
    if (batch_shape := keywords.get("batch_input_shape")) is not None:
        given.append(tuple(batch_shape)[1:])
    if not given:
        return None
    if len(given) > 1:
        raise UsageError(f"{layer}: give one of input_shape, input_dim and batch_input_shape")
    if any(size is not None and (not isinstance(size, int) or size < 1) for size in given[0]):
        raise UsageError(f"{layer}: got input shape {given[0]}; expected sizes of 1 or more")
    return given[0]


def check_dtype(layer: str, dtype: str | torch.dtype | None) -> str:
    """Return a dtype's name, such as `"float32"`.

    Raises:
        UsageError: If torch has no such dtype.
    """
    if dtype is None:
        return "float32"
    name = str(dtype).removeprefix("torch.")
    valid = [key for key, value in vars(torch).items() if isinstance(value, torch.dtype)]
    if name not in valid:
        raise UsageError(f"{layer}: {unknown_name('dtype', name, valid)}")
    return name
