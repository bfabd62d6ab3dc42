"""Metrics of the torchmetrics library, as they are."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Never

from torch import Tensor, nn
from typing_extensions import override

from epochal.core.errors import UsageError, UsageTypeError, reject_unknown
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
        outputs: If it computes a dict (a detector's `MeanAveragePrecision`): the keys to expect.

    Raises:
        UsageTypeError: If it is something else.
    """

    def __init__(
        self, metric: Any, name: str | None = None, outputs: Sequence[str] = (), **unknown: Never
    ) -> None:
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
            self.outputs = tuple(outputs)
            self.direction = {True: "max", False: "min"}.get(metric.higher_is_better)
        kinds = {type(single).__module__ for single in _singles(metric).values()}
        self._wants_classes = all(kind.startswith("torchmetrics.classification") for kind in kinds)

    @override
    def update_state(self, y_true: Any, y_pred: Any, sample_weight: Any = None) -> None:
        y_pred = as_tensor(y_pred)
        y_true = as_tensor(y_true, like=y_pred)
        if y_pred.ndim == y_true.ndim + 1 and y_pred.shape[-1] == 1:
            y_pred = y_pred.squeeze(-1)
        elif y_true.ndim == y_pred.ndim + 1 and y_true.shape[-1] == 1:
            y_true = y_true.squeeze(-1)
        if y_true.is_floating_point() and self._wants_classes:
            # Labels that a loss wants as numbers, as BCELoss does. Soft ones stay as they are, and
            # torchmetrics says what it makes of them; on a device they would have to be waited for.
            whole = y_true.long()
            y_true = whole if not y_true.is_cpu or bool((whole == y_true).all()) else y_true
        self.metric.to(y_pred.device).update(y_pred, y_true)

    @override
    def result(self) -> Any:
        return self.metric.compute()

    @override
    def reset_state(self) -> None:
        self.metric.reset()

    @override
    def everything(self) -> dict[str, Any]:
        return {
            name: {"states": dict(single.metric_state), "updates": single._update_count}
            for name, single in _singles(self.metric).items()
        }

    @override
    def take_everything(self, state: Mapping[str, Any]) -> None:
        for name, single in _singles(self.metric).items():
            for key, value in state[name]["states"].items():
                setattr(single, key, value)
            single._update_count = state[name]["updates"]
            single._computed = None  # what was computed of other states

    @override
    def merge_state(self, others: Iterable[Metric]) -> None:
        """Take in what other metrics of the same kind have seen, by torchmetrics' own reductions.

        Args:
            others: Of torchmetrics objects made with the same arguments; they stay as they are.

        Raises:
            UsageError: If one is of another class or was made with other arguments, or torchmetrics
                cannot merge this kind.
        """
        for other in others:
            own, its = _singles(self.metric), _singles(getattr(other, "metric", None))
            kinds = [[(name, type(single)) for name, single in part.items()] for part in (own, its)]
            if kinds[0] != kinds[1]:
                raise UsageError(
                    f"metric {self.name!r}: {self.metric!r} cannot take in {other!r}; merge "
                    "metrics of one kind, made with the same arguments"
                )
            for name, single in own.items():
                self._check_same(_arguments(single), _arguments(its[name]))
            for name, single in own.items():
                _merge(single, its[name])


def _singles(metric: Any) -> dict[str, Any]:
    """Return the metrics of a collection, or a metric alone, each with a state of its own."""
    # Members that share a state are parted by `items`, which copies it.
    return dict(metric.items()) if isinstance(metric, nn.ModuleDict) else {"": metric}


def _arguments(single: Any) -> dict[str, Any]:
    """Return what was set on a metric in plain values, and the shapes of its states."""
    plain = (bool, int, float, str, type(None))
    found = {
        name: value
        for name, value in vars(single).items()
        if isinstance(value, plain) and not name.startswith("_") and name not in single.metric_state
    }
    shapes = {n: tuple(s.shape) for n, s in single.metric_state.items() if isinstance(s, Tensor)}
    return found | {f"shape of {name}": shape for name, shape in shapes.items()}


def _merge(single: Any, other: Any) -> None:
    try:
        single.merge_state(other)
    except RuntimeError as error:
        raise UsageError(
            f"torchmetrics cannot merge a {type(single).__name__}, whose updates look at its whole "
            "state; score all batches with one"
        ) from error
    # torchmetrics counts updates only to warn of none, and would hand out a value computed before.
    single._update_count += other._update_count
    single._computed = None


def is_torchmetric(thing: Any) -> bool:
    """Whether it is a metric of torchmetrics, told without importing that library."""
    bases = {f"{base.__module__.partition('.')[0]}.{base.__name__}" for base in type(thing).__mro__}
    return bool(bases & {"torchmetrics.Metric", "torchmetrics.MetricCollection"})
