"""The mean of the batches so far, summed when somebody asks."""

from collections.abc import Mapping
from typing import Any, NamedTuple

import torch
from torch import Tensor

__all__ = ["MeanMoment", "RunningMean"]

_FOLD_AFTER = 512  # batches kept by reference; one stacked sum then costs less than 512 additions


class MeanMoment(NamedTuple):
    """Where a running mean stood: its folded part, and how much of its open lists counts."""

    total: Tensor | float
    weight: float
    values: list[Tensor]
    weights: list[int]
    length: int


class RunningMean:
    """Mean of scalar tensors weighted by batch size, in float64, without work on each step.

    A step only appends a reference; the sum is made when the mean is read or the list is full.

    Example:
        >>> mean = RunningMean()
        >>> mean.add(torch.tensor(1.0), 3); early = mean.moment(); mean.add(torch.tensor(5.0), 1)
        >>> float(mean.at(mean.moment())), float(mean.at(early))
        (2.0, 1.0)
    """

    __slots__ = ("_total", "_values", "_weight", "_weights")

    def __init__(self) -> None:
        self._total: Tensor | float = 0.0
        self._weight = 0.0
        self._values: list[Tensor] = []
        self._weights: list[int] = []

    @property
    def weight(self) -> float:
        """The sum of all weights so far."""
        return self._weight + sum(self._weights)

    def add(self, value: Tensor, weight: int) -> None:
        """Add one batch's mean and its size."""
        self._values.append(value)
        self._weights.append(weight)
        if len(self._values) >= _FOLD_AFTER:
            self._fold()

    def moment(self) -> MeanMoment:
        """Return this moment; it stays readable whatever is added later."""
        return MeanMoment(self._total, self._weight, self._values, self._weights, len(self._values))

    def at(self, moment: MeanMoment) -> Tensor | float:
        """Return the mean as it was at `moment`: NaN before the first batch."""
        if moment.values is self._values and moment.length == len(self._values):
            self._fold()
            total, weight = self._total, self._weight
        else:
            total, weight = _summed(moment)
        return total / weight if weight else float("nan")

    def state_dict(self) -> dict[str, Any]:
        """Return everything as it is: when it was saved must not change a bit of what follows."""
        total = self._total.clone() if isinstance(self._total, Tensor) else self._total
        values = torch.stack(self._values) if self._values else None
        return {
            "total": total,
            "weight": self._weight,
            "values": values,
            "weights": list(self._weights),
        }

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Take back what `state_dict` returned."""
        self._total, self._weight = state["total"], state["weight"]
        self._values = [] if state["values"] is None else list(state["values"].unbind())
        self._weights = list(state["weights"])

    def _fold(self) -> None:
        if self._values:
            self._total, self._weight = _summed(self.moment())
            # New lists, not cleared ones: earlier moments still point at the old.
            self._values, self._weights = [], []


def _summed(moment: MeanMoment) -> tuple[Tensor | float, float]:
    values, weights = moment.values[: moment.length], moment.weights[: moment.length]
    if not values:
        return moment.total, moment.weight
    if _on_host(values):
        # Reading one waits for nothing, and is faster than stacking them. One by one in their
        # order, so that no bit depends on when somebody read.
        total = moment.total
        for value, weight in zip(values, weights, strict=True):
            total = total + value.item() * weight
        return total, moment.weight + sum(weights)
    stacked = torch.stack(values).double()
    if min(weights) == max(weights):  # no copy of the weights to the device
        total = stacked.sum() * weights[0]
    else:
        # Not `torch.tensor(..., device=...)`, which would wait for the device.
        sizes = torch.tensor(weights, dtype=torch.float64)
        total = stacked @ sizes.to(stacked.device, non_blocking=True)
    return total + moment.total, moment.weight + sum(weights)


def _on_host(values: list[Tensor]) -> bool:
    return all(value.is_cpu for value in values)
