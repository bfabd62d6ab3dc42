"""The metrics that `compile` asks for, each with its name and its output."""

import copy
import warnings
from collections.abc import Mapping, Sequence
from typing import Any

from torch import Tensor

from epochal import metrics
from epochal.core.errors import Problems
from epochal.core.names import unique_name
from epochal.logs import Direction, Scored
from epochal.losses.registry import Reading
from epochal.metrics import Metric, TorchMetric
from epochal.metrics.accuracy import UndecidedAccuracy
from epochal.metrics.registry import for_logits
from epochal.training.outputs import outputs_of, per_output, select, target_of

__all__ = ["MetricPlan"]

Named = tuple[str, Any]


class MetricPlan:
    """What `compile(metrics=..., weighted_metrics=...)` asks for.

    A metric is logged under the name as it was typed. A name that is taken gets a suffix (`mae_1`;
    `weighted_mae` for a weighted metric), so that nothing is ever replaced.

    Args:
        given: Metrics, a list, or lists or dicts by output.
        weighted: The same, for metrics that see the sample weights.

    Raises:
        UsageError: If a name is unknown.
    """

    def __init__(self, given: Any = None, weighted: Any = None) -> None:
        self.given = given
        self.weighted = weighted
        self._plain = _looked_up(given)
        self._weighted = _looked_up(weighted)
        self.scored: list[Scored] = []

    def resolve(
        self,
        y: Any,
        prediction: Any,
        losses: Sequence[str],
        problems: Problems,
        readings: Mapping[Any, Reading],
    ) -> None:
        """Settle which metric looks at which output, and under which name it is logged."""
        outputs = outputs_of(prediction)
        taken = set(losses)
        self.scored = []
        for given, weighted in ((self._plain, False), (self._weighted, True)):
            what = "weighted_metrics" if weighted else "metrics"
            if len(outputs) == 1 and not isinstance(given, dict):
                lists = [given]
            elif _is_entry(given):
                # One metric for every output, each with a state of its own.
                lists = [copy.deepcopy(given) for _ in outputs]
            else:
                lists = per_output(given, outputs, what, problems)
            for output, entries in zip(outputs, lists, strict=True):
                for typed, found in _listed(entries):
                    metric = found
                    target = target_of(y, output, problems)
                    read = readings.get(output.key, Reading())
                    predicted = select(prediction, output)
                    if metrics.is_accuracy(typed) and isinstance(target, Tensor):
                        metric = metrics.resolve_accuracy(typed, target, predicted, *read)
                        metric.name = typed
                    instead = for_logits(metric) if read.logits else None
                    if instead is not None:
                        problems.add(
                            f"the metric {typed!r} takes probabilities, and the loss reads the "
                            f"model's output as logits: give {instead}"
                        )
                    names = [
                        _free(output.prefix() + name, weighted, taken)
                        for name in metric.outputs or (typed,)
                    ]
                    keys = dict(zip(names, metric.outputs, strict=True)) if metric.outputs else None
                    self.scored.append(
                        Scored(names[0], metric, output.key, weighted, keys, output.name)
                    )

    def directions(self) -> dict[str, Direction | None]:
        """Return every name as far as it is known, with the way in which it gets better."""
        if self.scored:
            return {name: entry.metric.direction for entry in self.scored for name in entry.names}
        return dict.fromkeys(self.names)

    @property
    def names(self) -> list[str]:
        """The names known so far: as they will be logged once the outputs are known."""
        if self.scored:
            return [name for entry in self.scored for name in entry.names]
        flat = (entry for given in (self._plain, self._weighted) for entry in _flat(given))
        return [name for typed, metric in flat for name in metric.outputs or (typed,)]

    @property
    def metrics(self) -> list[Metric]:
        """The metric objects."""
        if self.scored:
            return [entry.metric for entry in self.scored if isinstance(entry.metric, Metric)]
        return [metric for given in (self._plain, self._weighted) for _, metric in _flat(given)]


def _looked_up(given: Any) -> Any:
    """Return (name as typed, metric) for everything in a possibly nested argument."""
    if given is None:
        return None
    if isinstance(given, dict) and "class_name" not in given:
        return {key: _looked_up(item) for key, item in given.items()}
    if isinstance(given, (list, tuple)):
        return [_looked_up(item) for item in given]
    metric = UndecidedAccuracy() if metrics.is_accuracy(given) else metrics.get(given)
    if not metric.outputs and not metric.coalesce and not isinstance(metric, TorchMetric):
        metric.outputs = _keys_of_nothing(metric)
    if isinstance(given, str):
        metric.name = given  # steps of the user's own log metrics under their names
    return metric.name, metric


def _keys_of_nothing(metric: Metric) -> tuple[str, ...]:
    """Return the keys of the dict that a user's metric returns before it has seen anything.

    So a class written for Keras, which declares none, has its values logged under their own names,
    and they are known before training. One that returns nothing yet has to declare `outputs`; the
    logs say so if it turns out to be needed.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            fresh = copy.deepcopy(metric)
            fresh.reset_state()
            result = fresh.result()
        except Exception:  # whatever 0 / 0 or an empty list means to the user's code
            return ()
    return tuple(result) if isinstance(result, dict) else ()


def _free(name: str, weighted: bool, taken: set[str]) -> str:
    """Return the name a metric is logged under, and note it as taken."""
    if name in taken:
        name = unique_name(f"weighted_{name}" if weighted else name, taken.__contains__)
    taken.add(name)
    return name


def _is_entry(given: Any) -> bool:
    return isinstance(given, tuple)


def _listed(entries: Any) -> list[Named]:
    if entries is None:
        return []
    return (
        [entries] if _is_entry(entries) else [entry for item in entries for entry in _listed(item)]
    )


def _flat(given: Any) -> list[Named]:
    return _listed(list(given.values()) if isinstance(given, dict) else given)
