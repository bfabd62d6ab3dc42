"""What a loss is: errors per sample, and how they become the one number that is minimised."""

import dataclasses
from collections.abc import Iterator, Mapping
from typing import Any, ClassVar, Never

import torch
from torch import Tensor

from epochal.core.config import Configurable
from epochal.core.errors import UsageError, reject_unknown, unknown_name
from epochal.core.names import snake_case
from epochal.core.trees import flatten, map_leaves
from epochal.functional.shapes import ArrayLike, as_tensor, match_weights

__all__ = ["Loss", "PlainLoss", "reduce"]

_MEANS = ("sum_over_batch_size", "mean", "mean_with_sample_weight")
_REDUCTIONS = (*_MEANS, "sum", "none")


def reduce(
    values: Tensor,
    sample_weight: ArrayLike | None = None,
    reduction: str | None = "sum_over_batch_size",
    mask: Tensor | None = None,
) -> Tensor:
    """Return errors per sample as one number.

    Args:
        values: Errors, shape `(N, ...)`, or one number.
        sample_weight: Weights, shape `(N,)` or that of `values`.
        reduction: `"sum_over_batch_size"` (or `"mean"`) divides the weighted sum by the number of
            values, `"mean_with_sample_weight"` by the sum of the weights, `"sum"` does not divide,
            `"none"` and `None` return the weighted values.
        mask: True where a value counts; a mean is then one over the values that count.

    Returns:
        A scalar, or with `"none"` a tensor like `values`.

    Raises:
        UsageError: If the weights' shape does not fit the values.

    Example:
        >>> reduce(torch.tensor([1.0, 3.0]), [1.0, 0.0])
        tensor(0.5000)
        >>> reduce(torch.tensor([1.0, 3.0]), [1.0, 0.0], "mean_with_sample_weight")
        tensor(1.)
    """
    weights = None if sample_weight is None else match_weights(sample_weight, values)
    if mask is not None:
        weights = mask.to(values.dtype) if weights is None else weights * mask
    if weights is not None:
        values = values * weights
    if reduction is None or reduction == "none":
        return values
    if reduction == "sum":
        return values.sum()
    if reduction == "mean_with_sample_weight" and weights is not None:
        return _ratio(values.sum(), weights.expand_as(values).sum())
    if mask is not None:
        return _ratio(values.sum(), mask.expand_as(values).sum())
    return values.mean()


def _ratio(total: Tensor, count: Tensor) -> Tensor:
    """Return `total / count`, 0 where nothing counts."""
    return total / torch.where(count == 0, 1, count)


class Loss(Configurable):
    """Base of every loss; subclass it and write `call` for one of your own.

    Args:
        name: What the loss is called; the class name in snake case when None.
        reduction: How values per sample become one number: `"sum_over_batch_size"` (the mean; also
            called `"mean"`), `"sum"`, `"mean_with_sample_weight"`, `"none"` or None.
        dtype: The type to compute in, as `"float32"`; the predictions' own when None (float32 for
            half precision, which cannot hold `1 - 1e-7`).

    Raises:
        UsageError: If `reduction` or `dtype` is not one that exists.

    Example:
        >>> class Cubed(Loss):
        ...     def call(self, y_true, y_pred):
        ...         return (y_true - y_pred).abs().pow(3).mean(-1)
        >>> Cubed()([[0.0], [0.0]], [[1.0], [2.0]])
        tensor(4.5000)
    """

    direction: ClassVar[str] = "min"
    """Which way is better when the loss is monitored."""

    def __init__(
        self,
        name: str | None = None,
        reduction: str | None = "sum_over_batch_size",
        dtype: str | torch.dtype | None = None,
        **unknown: Never,
    ) -> None:
        reject_unknown(type(self), unknown)
        if reduction is not None and reduction not in _REDUCTIONS:
            raise UsageError(unknown_name("reduction", reduction, _REDUCTIONS))
        self.name = name or snake_case(type(self).__name__)
        self.reduction = reduction
        self.dtype = None if dtype is None else str(dtype).removeprefix("torch.")
        self._dtype = None if dtype is None else _float_type(self.dtype)
        # Weights of 1 change no mean, so without weights every mean is the plain one, and losses
        # that can compute it in one kernel do. A subclass that rewrites `call` alone must not be
        # answered by its parent's kernel: only the class that wrote `call` may have written both.
        writer = next(cls for cls in type(self).__mro__ if "call" in vars(cls))
        self._in_one = reduction in _MEANS and "batch_mean" in vars(writer)

    def call(self, y_true: Tensor, y_pred: Tensor) -> Tensor:
        """Return the error of every sample; overridden by each loss.

        Args:
            y_true: Targets, shape `(N, ...)`.
            y_pred: Predictions, shape `(N, ...)`.

        Returns:
            Errors, shape `(N, ...)` without the last axis, or one number for the batch.
        """
        raise NotImplementedError(f"{type(self).__name__} has no call(self, y_true, y_pred)")

    def batch_mean(self, y_true: Tensor, y_pred: Tensor) -> Tensor:
        """Return `call(...).mean()`; overridden where one kernel can do it faster."""
        return self.call(y_true, y_pred).mean()

    def mask(self, y_true: Tensor, y_pred: Tensor) -> Tensor | None:  # noqa: ARG002 (overridden)
        """Return True where a value counts, shape as `call`'s result, or None where all do."""
        return None

    def __call__(
        self, y_true: ArrayLike, y_pred: ArrayLike, sample_weight: ArrayLike | None = None
    ) -> Tensor:
        """Return the loss of a batch.

        Args:
            y_true: Targets, shape `(N, ...)`.
            y_pred: Predictions, shape `(N, ...)`.
            sample_weight: Weights, shape `(N,)` or that of the errors per sample.

        Returns:
            A scalar to call `backward` on; the weighted errors with `reduction="none"`.
        """
        target: Tensor = y_true if isinstance(y_true, Tensor) else _tensors(y_true)
        output: Tensor = y_pred if isinstance(y_pred, Tensor) else _tensors(y_pred)
        if self._dtype is not None:
            output = map_leaves(lambda leaf: leaf.to(self._dtype), output)
        if sample_weight is None and self._in_one:
            return self.batch_mean(target, output)
        values = self.call(target, output)
        return reduce(values, sample_weight, self.reduction, self.mask(target, output))

    def check(self, y_true: Tensor, y_pred: Tensor) -> Iterator[str]:  # noqa: ARG002 (overridden)
        """Yield a sentence about everything that keeps targets and predictions from fitting.

        Called once, before the first step: looking at the values may wait for the device.

        Args:
            y_true: All targets, or those of the first batch, shape `(M, ...)`.
            y_pred: What the model makes of a few rows, shape `(N, ...)`; M and N may differ.
        """
        yield from ()

    def to(self, device: torch.device | str) -> None:  # noqa: ARG002 (overridden)
        """Move whatever tensors the loss holds to `device`; most hold none."""
        return


def _tensors(value: Any) -> Any:
    """Return a tensor, or the tensors that a model of several outputs gives, in what holds them."""
    if isinstance(value, (Mapping, list, tuple)):
        leaves = flatten(value)
        if leaves and all(isinstance(leaf, Tensor) for leaf in leaves):
            return value
        if isinstance(value, Mapping) or any(isinstance(v, (Tensor, Mapping)) for v in value):
            return map_leaves(as_tensor, value)
    elif dataclasses.is_dataclass(value):
        return value
    return as_tensor(value)


def _float_type(name: str | None) -> torch.dtype:
    types = {"float16": torch.float16, "bfloat16": torch.bfloat16}
    types |= {"float32": torch.float32, "float64": torch.float64}
    if name not in types:
        raise UsageError(unknown_name("dtype", name, types))
    return types[name]


class PlainLoss(Loss):
    """Base of the losses that have no options of their own; Keras' order of arguments."""

    def __init__(
        self,
        reduction: str | None = "sum_over_batch_size",
        name: str | None = None,
        dtype: str | torch.dtype | None = None,
        **unknown: Never,
    ) -> None:
        super().__init__(name, reduction, dtype, **unknown)
