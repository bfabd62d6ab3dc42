"""Sentences about targets and predictions that do not fit together, read before the first step."""

from collections.abc import Iterator

import torch
from torch import Tensor

__all__ = [
    "binary_targets",
    "class_labels",
    "class_weights",
    "probabilities",
    "same_shape",
    "scores",
    "signs",
    "sums_to_one",
]

_SHOWN = 5


def _shape(tensor: Tensor) -> str:
    """Return a shape with the batch dimension as N."""
    return f"({', '.join(['N', *map(str, tensor.shape[1:])])}{',' if tensor.ndim < 2 else ''})"


def _tail(tensor: Tensor) -> tuple[int, ...]:
    """Return the shape beyond the batch, a last dimension of 1 dropped."""
    tail = tuple(tensor.shape[1:])
    return tail[:-1] if tail and tail[-1] == 1 else tail


def _values(values: Tensor) -> str:
    """Return some of the distinct values, as short as they can be written."""
    found = sorted(set(values.flatten()[:100_000].tolist()))
    text = ", ".join(f"{value:g}" for value in found[:_SHOWN])
    return text + (", ..." if len(found) > _SHOWN else "")


def _whole(values: Tensor) -> bool:
    """Return whether every value is a whole number."""
    return not values.is_floating_point() or bool((values == values.round()).all())


def _looks_one_hot(y_true: Tensor) -> bool:
    """Return whether rows hold a single 1 among zeros (or weights that sum to 1)."""
    rows = y_true.float()
    return bool((rows >= 0).all()) and bool(((rows.sum(-1) - 1.0).abs() < 1e-3).all())


def same_shape(y_true: Tensor, y_pred: Tensor, hint: str = "") -> Iterator[str]:
    """Yield a sentence if targets and predictions are not compared entry with entry."""
    if _tail(y_true) != _tail(y_pred):
        yield (
            f"the targets have shape {_shape(y_true)} and the model's output {_shape(y_pred)}; "
            f"they are compared entry by entry, so give both the same shape{hint}"
        )


def probabilities(
    y_pred: Tensor, kind: str, activation: str, otherwise: str = "give the loss from_logits=True"
) -> Iterator[str]:
    """Yield a sentence if predictions cannot be the probabilities the loss takes them for."""
    seen = y_pred[torch.isfinite(y_pred)]
    # Rounding puts a sigmoid or softmax at most a few ulps outside.
    if seen.numel() and (seen.min() < -1e-4 or seen.max() > 1.0 + 1e-4):
        yield (
            f"{kind} takes probabilities from 0 to 1, but the model's output goes from "
            f"{seen.min():.4g} to {seen.max():.4g}; end the model with a {activation} activation, "
            f"or {otherwise}"
        )


def binary_targets(y_true: Tensor, y_pred: Tensor, kind: str) -> Iterator[str]:
    """Yield sentences about targets that are not between 0 and 1."""
    tail = _tail(y_pred)
    if tail and not _tail(y_true) and tail[-1] > 1 and _whole(y_true):
        yield (
            f"{kind} compares entry by entry, but the targets of shape {_shape(y_true)} look like "
            f"class labels for the {tail[-1]} columns of the model's output; use "
            "sparse_categorical_crossentropy, or end the model with 1 unit"
        )
        return
    yield from same_shape(y_true, y_pred)
    seen = y_true[torch.isfinite(y_true)] if y_true.is_floating_point() else y_true
    outside = seen[(seen < 0) | (seen > 1)]
    if outside.numel():
        hint = "map the labels to 0 and 1"
        if _whole(seen) and seen.max() > 1:
            hint = (
                "for more than two classes end the model with one unit a class and use "
                "sparse_categorical_crossentropy"
            )
        yield f"{kind} takes targets from 0 to 1, but got {_values(seen)}; {hint}"


def class_labels(
    y_true: Tensor,
    y_pred: Tensor,
    kind: str,
    axis: int = -1,
    ignore: int | None = None,
) -> Iterator[str]:
    """Yield sentences about targets that are not integer labels of the output's classes.

    Args:
        y_true: Targets.
        y_pred: The model's output for a few rows, one score per class.
        kind: The loss, as a user names it.
        axis: Where the classes stand in `y_pred`.
        ignore: A label that is left out, and so may be any number.
    """
    if y_pred.ndim < 2:
        yield f"{kind} needs one output per class, but the model's output is {_shape(y_pred)}"
        return
    classes = y_pred.shape[axis]
    if classes == 1:
        yield _one_column(kind)
        return
    expected = list(y_pred.shape)
    del expected[axis]
    if tuple(y_true.shape[1:]) == tuple(y_pred.shape[1:]) and _looks_one_hot(
        y_true.movedim(axis, -1)
    ):
        yield (
            f"{kind} takes integer labels of shape {_shape(y_true.select(axis, 0))}, but the "
            f"targets of shape {_shape(y_true)} are one-hot; use categorical_crossentropy, or give "
            f"y.argmax(axis={axis})"
        )
        return
    if tuple(y_true.shape[1:]) not in (tuple(expected[1:]), (*expected[1:], 1)):
        hint = ""
        if axis == 1 and y_true.shape[1:] == y_pred.shape[1:-1]:
            hint = (
                "; it wants the classes in axis 1: let the model return output.movedim(-1, 1), or "
                "use SparseCategoricalCrossentropy(from_logits=True), which takes them last"
            )
        yield (
            f"{kind} takes one integer label per prediction, but the targets have shape "
            f"{_shape(y_true)} and the model's output {_shape(y_pred)}{hint}"
        )
        return
    if not _whole(y_true):
        odd = y_true[y_true != y_true.round()]
        yield f"{kind} takes whole numbers as labels, but got {_values(odd)}"
        return
    labels = y_true if ignore is None else y_true[y_true != ignore]
    outside = labels[(labels < 0) | (labels >= classes)]
    if outside.numel():
        low, high = int(labels.min()), int(labels.max())
        if (low, high) == (1, classes):
            hint = "subtract 1 from the labels"
        elif low >= 0:
            hint = f"end the model with {high + 1} units"
        else:
            hint = "labels start at 0"
        yield (
            f"{kind} takes labels from 0 to {classes - 1} for the model's {classes} outputs, but "
            f"got {_values(outside)}; {hint}"
        )


def class_weights(y_true: Tensor, y_pred: Tensor, kind: str, axis: int = -1) -> Iterator[str]:
    """Yield sentences about targets that are not one weight per class."""
    if y_pred.ndim >= 2 and y_pred.shape[axis] == 1:
        yield _one_column(kind)
        return
    rest = list(y_pred.shape)
    if rest:
        del rest[axis]
    if tuple(y_true.shape[1:]) in (tuple(rest[1:]), (*rest[1:], 1)) and _whole(y_true):
        yield (
            f"{kind} takes one-hot targets of shape {_shape(y_pred)}, but the targets of shape "
            f"{_shape(y_true)} are integer labels; use sparse_categorical_crossentropy, or make "
            "them one-hot with epochal.utils.to_categorical"
        )
        return
    yield from same_shape(y_true, y_pred)


def signs(y_true: Tensor, y_pred: Tensor, kind: str) -> Iterator[str]:
    """Yield sentences about labels that are not -1 and 1 (or 0 and 1)."""
    yield from same_shape(y_true, y_pred)
    outside = y_true[(y_true < -1) | (y_true > 1)]
    if outside.numel():
        yield f"{kind} takes labels -1 and 1 (or 0 and 1), but got {_values(outside)}"


def scores(y_pred: Tensor, kind: str, from_logits: bool, axis: int = -1) -> Iterator[str]:
    """Yield a sentence if classes' scores are logits taken for probabilities, or the reverse."""
    if not from_logits:
        yield from probabilities(y_pred, kind, "softmax")
        return
    if sums_to_one(y_pred, axis):
        yield (
            f"{kind} was given from_logits=True, but the model's output is probabilities (each row "
            "sums to 1); take the softmax out of the model, or from_logits=True out of the loss"
        )


def sums_to_one(y_pred: Tensor, axis: int) -> bool:
    """Return whether several rows all sum to 1, which logits do not do by chance."""
    sums = y_pred.sum(axis)
    close = bool((y_pred >= 0).all()) and bool(((sums - 1.0).abs() < 1e-4).all())
    return close and sums.numel() > 1


def _one_column(kind: str) -> str:
    return (
        f"{kind} needs one output per class, but the model's output has 1 column; for two "
        "classes use binary_crossentropy, for more end the model with one unit a class"
    )
