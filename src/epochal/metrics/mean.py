"""Means: of numbers, and of a function of targets and predictions over every sample."""

import inspect
from collections.abc import Callable
from typing import Any, Never

import torch
from torch import Tensor

from epochal.core.errors import UsageError, reject_unknown
from epochal.core.names import snake_case
from epochal.metrics.base import Metric, as_tensor

__all__ = ["Mean", "MeanMetricWrapper"]


class Mean(Metric, coalesce=True):
    """Weighted mean of numbers: `sum(w * v) / sum(w)`, 0.0 while nothing has been taken in.

    Use it by hand, to follow a number of your own in a `train_step`.

    Args:
        name: Name it is logged under.
        dtype: Type of its weights; float64 by default.

    Example:
        >>> mean = Mean()
        >>> mean.update_state([1.0, 3.0]); mean.update_state(8.0)
        >>> float(mean.result())
        4.0
    """

    def __init__(self, name: str = "mean", dtype: Any = None, **unknown: Never) -> None:
        reject_unknown(Mean.__init__, unknown)
        super().__init__(dtype=dtype, name=name)
        self.total = self.add_weight(name="total")
        self.count = self.add_weight(name="count")

    def update_state(self, values: Any, sample_weight: Any = None) -> None:  # type: ignore[override]
        """Take numbers in: values of rank above the weight's are averaged down to it first.

        Args:
            values: Numbers of any shape.
            sample_weight: Weights that fit the first dimensions of `values`, or None.
        """
        values = as_tensor(values)
        if sample_weight is None:
            self.total.assign_add(values.sum(dtype=torch.float64))
            self.count.assign_add(values.numel())
            return
        weight = as_tensor(sample_weight, like=values)
        weight = fit_weight(weight, values)
        if values.ndim > weight.ndim:
            values = values.mean(dim=tuple(range(weight.ndim, values.ndim)))
        weight = weight.expand_as(values).double()
        self.total.assign_add((values * weight).sum())
        self.count.assign_add(weight.sum())

    def result(self) -> Tensor:
        """Return the mean so far (0.0 if the weights sum to nothing)."""
        count = self.count.value
        # Divide by 1 where there is nothing, without asking the device whether there is.
        return self.total.value / torch.where(count == 0, torch.ones_like(count), count)


class MeanMetricWrapper(Mean, coalesce=True):
    """Mean over all samples of a function `(y_true, y_pred)`.

    `compile(metrics=[fn])` makes one of any plain function. It gives a value per sample, or one
    for the batch, which then counts as often as the batch has samples.

    Args:
        fn: Called with two tensors and `keywords`; may use torch, `epochal.backend` or NumPy.
        name: Name it is logged under; the function's own by default.
        dtype: Type of its weights.
        direction: `"max"` or `"min"`, which way is better; for `mode="auto"`.
        keywords: Further arguments of `fn`.

    Example:
        >>> def within_one(y_true, y_pred):
        ...     return (y_true - y_pred).abs() <= 1
        >>> metric = MeanMetricWrapper(within_one)
        >>> metric.name, float(metric([1.0, 2.0], [1.5, 9.0]))
        ('within_one', 0.5)
    """

    def __init__(
        self,
        fn: Callable[..., Any],
        name: str | None = None,
        dtype: Any = None,
        direction: Any = None,
        **keywords: Any,
    ) -> None:
        if not callable(fn):
            raise UsageError(f"MeanMetricWrapper: fn is {fn!r}; give a function (y_true, y_pred)")
        super().__init__(name=name or _function_name(fn), dtype=dtype)
        self.fn = fn
        self.keywords = keywords
        self.direction = direction or self.direction

    def update_state(self, y_true: Any, y_pred: Any, sample_weight: Any = None) -> None:  # type: ignore[override]
        """Take one batch in.

        Args:
            y_true: Targets, (N, ...).
            y_pred: Outputs of the model, (N, ...).
            sample_weight: How much each sample counts, (N,), or None.
        """
        y_pred = as_tensor(y_pred)
        values = as_tensor(self.fn(as_tensor(y_true, like=y_pred), y_pred, **self.keywords))
        if values.ndim == 0:
            # One number for the batch: it stands for each of its samples.
            size = y_pred.shape[0] if y_pred.ndim else 1
            values = values.expand(size)
        super().update_state(values, sample_weight)


class FunctionMetric(MeanMetricWrapper):
    """A user's function: seen batch by batch, since nobody knows whether it may be joined."""


def fit_weight(weight: Tensor, values: Tensor) -> Tensor:
    """Return the weights with the rank of `values` or less, refusing what does not fit."""
    while weight.ndim > values.ndim and weight.shape[-1] == 1:
        weight = weight.squeeze(-1)
    shape = tuple(values.shape[: weight.ndim])
    if weight.ndim > values.ndim or any(
        have not in (1, want) for have, want in zip(weight.shape, shape, strict=True)
    ):
        raise UsageError(
            f"sample_weight has the shape {tuple(weight.shape)}; the values it weighs have "
            f"{tuple(values.shape)}: give one weight for each sample, ({values.shape[0]},)"
        )
    return weight


def _function_name(fn: Callable[..., Any]) -> str:
    if isinstance(fn, type) or not hasattr(fn, "__name__"):
        return snake_case(type(fn).__name__)
    name = "lambda" if fn.__name__ == "<lambda>" else fn.__name__
    return snake_case(name) if inspect.isroutine(fn) else name
