"""Metrics of the torchmetrics library, as they are."""

from typing import Any, Never

from torch import nn
from typing_extensions import override

from epochal.core.errors import UsageTypeError, reject_unknown
from epochal.core.names import snake_case
from epochal.metrics.base import Metric, as_tensor

__all__ = ["TorchMetric", "is_torchmetric"]


class TorchMetric(Metric):
    """A `torchmetrics.Metric` or `MetricCollection`; `compile(metrics=[...])` makes one of it.

    It is called as torchmetrics wants, `(y_pred, y_true)`, moved to the device of the outputs, and
    updated at every batch. Sample weights are not passed on. A collection is logged value by value.

    Args:
        metric: The torchmetrics object.
        name: Name it is logged under; its class name in snake case by default.

    Raises:
        UsageTypeError: If it is something else.
    """

    def __init__(self, metric: Any, name: str | None = None, **unknown: Never) -> None:
        reject_unknown(TorchMetric.__init__, unknown)
        if not is_torchmetric(metric):
            raise UsageTypeError(
                f"TorchMetric: got {metric!r}; give a torchmetrics.Metric or MetricCollection"
            )
        super().__init__(name=name or snake_case(type(metric).__name__))
        self.metric: Any = metric
        if isinstance(metric, nn.ModuleDict):  # a collection
            self.outputs = tuple(metric.keys())
        else:
            self.direction = {True: "max", False: "min"}.get(metric.higher_is_better)

    @override
    def update_state(self, y_true: Any, y_pred: Any, sample_weight: Any = None) -> None:
        y_pred = as_tensor(y_pred)
        y_true = as_tensor(y_true, like=y_pred)
        if y_pred.ndim == y_true.ndim + 1 and y_pred.shape[-1] == 1:
            y_pred = y_pred.squeeze(-1)
        elif y_true.ndim == y_pred.ndim + 1 and y_true.shape[-1] == 1:
            y_true = y_true.squeeze(-1)
        self.metric.to(y_pred.device).update(y_pred, y_true)

    @override
    def result(self) -> Any:
        return self.metric.compute()

    @override
    def reset_state(self) -> None:
        self.metric.reset()


def is_torchmetric(thing: Any) -> bool:
    """Whether it is a metric of torchmetrics, told without importing that library."""
    bases = {f"{base.__module__.partition('.')[0]}.{base.__name__}" for base in type(thing).__mro__}
    return bool(bases & {"torchmetrics.Metric", "torchmetrics.MetricCollection"})
