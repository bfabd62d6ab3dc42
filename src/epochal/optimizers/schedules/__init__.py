"""Learning rates that change with the batches seen. Give one as `learning_rate=`."""

from collections.abc import Mapping
from typing import Any

from epochal.core.config import plain
from epochal.core.names import Registry
from epochal.optimizers.schedules.base import FunctionSchedule, LearningRateSchedule
from epochal.optimizers.schedules.decays import (
    CosineDecay,
    CosineDecayRestarts,
    ExponentialDecay,
    InverseTimeDecay,
    PiecewiseConstantDecay,
    PolynomialDecay,
)
from epochal.optimizers.schedules.from_torch import TorchSchedule

__all__ = [
    "LearningRateSchedule",
    "CosineDecay",
    "CosineDecayRestarts",
    "ExponentialDecay",
    "InverseTimeDecay",
    "PiecewiseConstantDecay",
    "PolynomialDecay",
    "FunctionSchedule",
    "TorchSchedule",
    "serialize",
    "deserialize",
]

_SCHEDULES = Registry[type[LearningRateSchedule]]("schedule")
_SCHEDULES.add(CosineDecay)
_SCHEDULES.add(CosineDecayRestarts)
_SCHEDULES.add(ExponentialDecay)
_SCHEDULES.add(InverseTimeDecay)
_SCHEDULES.add(PiecewiseConstantDecay)
_SCHEDULES.add(PolynomialDecay)


def serialize(schedule: LearningRateSchedule) -> dict[str, Any]:
    """Return the schedule as JSON can hold it.

    Args:
        schedule: A schedule.

    Returns:
        `{"class_name": ..., "config": {...}}`.

    Example:
        >>> serialize(CosineDecay(0.1, 100))["class_name"]
        'CosineDecay'
    """
    result: dict[str, Any] = plain(schedule)
    return result


def deserialize(config: Mapping[str, Any]) -> LearningRateSchedule:
    """Return the schedule that `serialize` described.

    Args:
        config: `{"class_name": ..., "config": {...}}`.

    Returns:
        A new schedule.

    Raises:
        UsageError: If the class is not one of epochal's schedules.

    Example:
        >>> deserialize(serialize(CosineDecay(0.1, 100)))(50)
        0.05
    """
    return _SCHEDULES[config["class_name"]].from_config(config["config"])
