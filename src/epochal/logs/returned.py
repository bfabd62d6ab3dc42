"""The logs of a step that a user wrote: whatever it returns, by name."""

import math
from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
import torch

from epochal.core.errors import UsageTypeError
from epochal.logs.running_mean import RunningMean
from epochal.logs.values import plain_number, set_aside

__all__ = ["Returned"]


class Returned:
    """What the user's own step returned over one pass.

    A value named like one of the model's metrics is that metric's result, which counts the whole
    pass already: the last one stands. Any other value is a batch's own and is averaged, weighted
    by batch size.

    Args:
        metrics: Names of the model's metrics.

    Example:
        >>> logs = Returned(metrics=["acc"])
        >>> logs.add({"loss": torch.tensor(1.0), "acc": 0.5}, 2)
        >>> logs.add({"loss": torch.tensor(3.0), "acc": 0.75}, 2)
        >>> logs.read("loss"), logs.read("acc")
        (2.0, 0.75)
    """

    def __init__(self, metrics: Iterable[str] = ()) -> None:
        self._metrics = frozenset(metrics)
        self._means: dict[str, RunningMean] = {}
        self._last: dict[str, Any] = {}
        self._fixed: Mapping[str, Any] | None = None
        self.rows = 0
        """How many rows the pass has seen."""

    @property
    def names(self) -> tuple[str, ...]:
        """What the step returned so far, in its order."""
        return tuple(self._last)

    def add(self, returned: Any, size: int) -> None:
        """Take what one step returned.

        Raises:
            UsageTypeError: If it is not a dict.
        """
        if not isinstance(returned, Mapping):
            raise UsageTypeError(
                f"train_step or test_step returned a {type(returned).__name__}; return a dict of "
                "logs, such as {'loss': loss}"
            )
        self.rows += size
        for name, value in returned.items():
            self._last[name] = set_aside(value)
            if name not in self._metrics and _is_number(self._last[name]):
                mean = self._means.setdefault(name, RunningMean())
                mean.add(torch.as_tensor(self._last[name]).reshape(()), size)

    def moment(self) -> "Returned":
        """Return this moment: the values so far."""
        kept = Returned(self._metrics)
        kept._last = dict(self._last)
        kept._fixed = {name: (mean, mean.moment()) for name, mean in self._means.items()}
        return kept

    def read(self, name: str) -> Any:
        """Return one value as a plain number."""
        if self._fixed is not None and name in self._fixed:
            mean, moment = self._fixed[name]
            return plain_number(mean.at(moment))
        if name in self._means:
            return plain_number(self._means[name].at(self._means[name].moment()))
        return plain_number(self._last[name])

    def state_dict(self) -> dict[str, Any]:
        """Return the sums of the pass, for a checkpoint in its middle."""
        means = {name: mean.state_dict() for name, mean in self._means.items()}
        return {"means": means, "last": dict(self._last), "rows": self.rows}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Take back what `state_dict` returned."""
        for name, mean in state["means"].items():
            self._means.setdefault(name, RunningMean()).load_state_dict(mean)
        self._last, self.rows = dict(state["last"]), state["rows"]

    def close(self) -> None:
        """Nothing is left to be computed."""


def _is_number(value: Any) -> bool:
    if isinstance(value, (torch.Tensor, np.ndarray)):
        return math.prod(value.shape) == 1
    return isinstance(value, (int, float, np.number))
