"""A learning rate that reads as a number and knows the optimizer it is the rate of."""

import math
from collections.abc import Callable
from typing import Any

from epochal.core.errors import UsageError, UsageTypeError

__all__ = ["LearningRate", "as_rate"]


class LearningRate(float):
    """A float that `epochal.backend.set_value` can assign to.

    Keras code sets a rate through the object it read: `set_value(optimizer.learning_rate, 0.01)`.
    Copies, sums and products of it are plain floats.

    Args:
        value: The rate.
        assign: Called with a new rate.

    Example:
        >>> rates = []
        >>> rate = LearningRate(0.1, rates.append)
        >>> rate.assign(0.05)
        >>> rate * 2, rates
        (0.2, [0.05])
    """

    _assign: Callable[[Any], None]

    def __new__(cls, value: float, assign: Callable[[Any], None]) -> "LearningRate":
        """Return the rate."""
        self = super().__new__(cls, value)
        self._assign = assign
        return self

    def assign(self, value: Any) -> None:
        """Set the optimizer's learning rate; a number, or an array or tensor that holds one."""
        self._assign(value)

    def numpy(self) -> float:
        """Return the plain number, as Keras' variables do."""
        return float(self)

    def __reduce__(self) -> tuple[type[float], tuple[float]]:
        return float, (float(self),)


def as_rate(value: Any) -> float:
    """Return a learning rate as a float.

    Args:
        value: A number, or an array or tensor that holds one.

    Raises:
        UsageTypeError: If it is not a number.
        UsageError: If it is negative, infinite or NaN.

    Example:
        >>> import numpy as np
        >>> as_rate(np.float32(0.5))
        0.5
    """
    try:
        rate = float(value)
    except (TypeError, ValueError, RuntimeError) as error:
        raise UsageTypeError(
            f"learning_rate is {value!r}; give a number, a schedule of "
            "epochal.optimizers.schedules, or a function step -> number"
        ) from error
    if not math.isfinite(rate) or rate < 0.0:
        raise UsageError(f"learning_rate is {rate}; give a finite number, 0 or more")
    return rate
