"""Arguments about thresholds, and when evenly spaced ones let scores be clipped."""

from typing import Any

import numpy as np

from epochal.core.errors import UsageError

__all__ = ["even_thresholds", "evenly_spaced", "fraction", "parse_thresholds", "whole_number"]


def parse_thresholds(metric: str, thresholds: Any) -> float | list[float] | None:
    """Return a threshold, several, or None, as plain numbers.

    Raises:
        UsageError: If there is none, or one is outside of 0 to 1.

    Example:
        >>> parse_thresholds("Recall", np.array([0.25, 0.5]))
        [0.25, 0.5]
    """
    if thresholds is None:
        return None
    if np.ndim(thresholds) == 0:
        return fraction(metric, "thresholds", thresholds)
    if len(thresholds) == 0:
        raise UsageError(f"{metric}: thresholds is empty; give one at least, from 0 to 1")
    return [fraction(metric, "thresholds", threshold) for threshold in thresholds]


def fraction(metric: str, name: str, value: Any) -> float:
    """Return a number from 0 to 1 as a float.

    Raises:
        UsageError: If it is not one.
    """
    number = isinstance(value, (int, float, np.number)) and not isinstance(value, bool)
    if not number or not 0 <= value <= 1:
        raise UsageError(f"{metric}: {name} is {value!r}; give a number from 0 to 1")
    return float(value)


def whole_number(metric: str, name: str, value: Any, least: int) -> int:
    """Return a whole number as an int.

    Raises:
        UsageError: If it is not one, or below `least`.
    """
    if isinstance(value, bool) or not isinstance(value, (int, np.integer)) or value < least:
        raise UsageError(f"{metric}: {name} is {value!r}; give a whole number of {least} or more")
    return int(value)


def even_thresholds(number: int) -> list[float]:
    """Return thresholds from 0 to 1 in equal steps; the middle, 0.5, if there is only one.

    Example:
        >>> even_thresholds(5), even_thresholds(1)
        ([0.0, 0.25, 0.5, 0.75, 1.0], [0.5])
    """
    if number == 1:
        return [0.5]
    return [0.0, *((step + 1) / (number - 1) for step in range(number - 2)), 1.0]


def evenly_spaced(thresholds: list[float]) -> bool:
    """Whether there are three or more, in equal steps from 0 to 1: Keras then clips scores.

    Example:
        >>> evenly_spaced([0.0, 0.5, 1.0]), evenly_spaced([0.0, 1.0]), evenly_spaced([0, 0.4, 1])
        (True, False, False)
    """
    number = len(thresholds)
    return number >= 3 and bool(np.allclose(thresholds, even_thresholds(number), atol=1e-7))
