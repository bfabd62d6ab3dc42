"""Means: of numbers, and of a function of targets and predictions over every sample."""

import inspect
import math
from collections.abc import Callable
from typing import Any, Never

import torch
from torch import Tensor
from typing_extensions import override

from epochal.core.errors import UsageError, UsageTypeError, reject_unknown
from epochal.core.names import snake_case
from epochal.functional.argument_order import takes_outputs_first
from epochal.metrics.base import Metric, as_tensor, blocks

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

    @override
    def update_state(  # type: ignore[override]  # Keras' contract: values, not targets and outputs
        self, values: Any, sample_weight: Any = None
    ) -> None:
        """Take numbers in: values of rank above the weight's are averaged down to it first.

        Args:
            values: Numbers of any shape; the first dimension is samples.
            sample_weight: Weights that fit the first dimensions of `values`, or None.

        Raises:
            UsageError: If the weights do not fit.
        """
        values = as_tensor(values)
        if sample_weight is None:
            # Each sample counts once, however long it is. Summed in float64 without a copy in it.
            total = values.sum(dtype=torch.float64)
            in_a_sample = math.prod(values.shape[1:])
            self.total.assign_add(total if in_a_sample == 1 else total / in_a_sample)
            self.count.assign_add(values.shape[0] if values.ndim else 1)
            return
        values = values.double()
        weight = fit_weight(as_tensor(sample_weight, like=values), values).double()
        if values.ndim > weight.ndim:
            values = values.mean(dim=tuple(range(weight.ndim, values.ndim)))
        weight = weight.expand_as(values)
        in_a_sample = math.prod(values.shape[1:])
        self.total.assign_add((values * weight).sum() / in_a_sample)
        self.count.assign_add(weight.sum() / in_a_sample)

    @override
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
        _check_signature(fn, keywords)
        if direction not in (None, "min", "max"):
            raise UsageError(f"MeanMetricWrapper: direction is {direction!r}; give 'min' or 'max'")
        super().__init__(name=name or _function_name(fn), dtype=dtype)
        self.fn = fn
        self.keywords = keywords
        self.direction = direction or self.direction

    @override
    def update_state(  # type: ignore[override]  # as every metric's but `Mean`'s
        self, y_true: Any, y_pred: Any, sample_weight: Any = None
    ) -> None:
        """Take one batch in.

        Args:
            y_true: Targets, (N, ...).
            y_pred: Outputs of the model, (N, ...).
            sample_weight: How much each sample counts, (N,), or None.

        Raises:
            UsageError: If the function returns no numbers, or the weights do not fit.
        """
        y_pred = as_tensor(y_pred)
        y_true = as_tensor(y_true, like=y_pred)
        if self.coalesce and y_pred.is_cpu and y_pred.numel() > 2 * _VALUES_AT_ONCE:
            parts = [y_true, y_pred]
            if sample_weight is not None:
                parts.append(as_tensor(sample_weight, like=y_pred))
            if len({part.shape[:1] for part in parts}) == 1:  # others have their error below
                rows = max(1, _VALUES_AT_ONCE // math.prod(y_pred.shape[1:]))
                for block in blocks(*parts, rows=rows):
                    self._take(*block)
                return
        self._take(y_true, y_pred, sample_weight)

    def _take(self, y_true: Tensor, y_pred: Tensor, sample_weight: Any = None) -> None:
        returned = self.fn(y_true, y_pred, **self.keywords)
        if returned is None:
            raise UsageTypeError(
                f"the metric {self.name!r} returned None; return one number, or one for each sample"
            )
        values = as_tensor(returned)
        rows = y_pred.shape[0] if y_pred.ndim else 1
        one_axis = y_true.ndim != y_pred.ndim and 1 in (y_true.ndim, y_pred.ndim)
        if rows > 1 and one_axis and values.shape == (rows, rows):
            raise UsageError(
                f"the metric {self.name!r} made {rows} x {rows} values of targets of shape "
                f"{tuple(y_true.shape)} and outputs of shape {tuple(y_pred.shape)}: every row met "
                "every other. Use y_pred[:, 0] in it, or give y in the shape of the outputs"
            )
        if values.ndim == 0:
            # One number for the batch: it stands for each of its samples.
            values = values.expand(rows)
        super().update_state(values, sample_weight)

    @override
    def get_config(self) -> dict[str, Any]:
        """Return the constructor's arguments, of a subclass that names its function itself.

        Raises:
            UsageError: If the function was an argument: a file cannot hold it.
        """
        if "fn" in inspect.signature(type(self)).parameters:
            raise UsageError(
                f"the metric {self.name!r} is made of a function, which has no configuration; to "
                "save it, write a subclass of Metric or MeanMetricWrapper around the function"
            )
        return super().get_config()

    @override
    def _settings(self) -> dict[str, Any]:
        return {"fn": self.fn, **self.keywords}


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
            f"{tuple(values.shape)}: give one weight for each sample, {tuple(values.shape[:1])}"
        )
    return weight


# Rows taken in at a time: between the steps of a metric's arithmetic they stay in the cache. Fewer
# and the steps cost more than the numbers.
_VALUES_AT_ONCE = 2**16


def _function_name(fn: Callable[..., Any]) -> str:
    named = getattr(fn, "name", None)  # a loss has one
    if isinstance(named, str):
        return named
    name = getattr(fn, "__name__", type(fn).__name__)
    return "lambda" if name == "<lambda>" else snake_case(name)


def _check_signature(fn: Callable[..., Any], keywords: dict[str, Any]) -> None:
    """Refuse arguments that the function does not take, before the first batch."""
    try:
        signature = inspect.signature(fn)
    except ValueError:  # some functions written in C do not tell
        return
    kinds = [parameter.kind for parameter in signature.parameters.values()]
    if inspect.Parameter.VAR_KEYWORD not in kinds:
        unknown = {name: keywords[name] for name in keywords if name not in signature.parameters}
        reject_unknown(fn, unknown)
    if takes_outputs_first(fn):
        raise UsageTypeError(
            f"{_function_name(fn)}{signature} takes the outputs first, and a metric is called with "
            "(y_true, y_pred): pass `lambda y_true, y_pred: function(y_pred, y_true)`"
        )
    try:
        signature.bind(None, None, **keywords)
    except TypeError as error:
        raise UsageTypeError(
            f"{_function_name(fn)}{signature} cannot be a metric, which is called with (y_true, "
            f"y_pred{''.join(f', {name}=...' for name in keywords)}): {error}"
        ) from None
