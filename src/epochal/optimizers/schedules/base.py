"""What a learning-rate schedule is: a function of the batches seen so far."""

import inspect
from abc import abstractmethod
from collections.abc import Callable
from typing import Any

from epochal.core.config import Configurable
from epochal.core.errors import UsageTypeError

__all__ = ["FunctionSchedule", "LearningRateSchedule"]


class LearningRateSchedule(Configurable):
    """Base of the schedules; subclass it and write `__call__` for one of your own.

    Give one as `learning_rate=` of any optimizer. The step counts batches from 0, over epochs and
    through gradient accumulation, so a plan in epochs is `epochs * steps_per_epoch` steps.

    Example:
        >>> class Halving(LearningRateSchedule):
        ...     def __call__(self, step):
        ...         return 0.1 * 0.5 ** (step // 100)
        >>> Halving()(250)
        0.025
    """

    @abstractmethod
    def __call__(self, step: int) -> float:
        """Return the learning rate of one step.

        Args:
            step: Batches seen before this one, from 0.
        """
        raise NotImplementedError(f"{type(self).__name__} has no __call__(self, step)")


class FunctionSchedule(LearningRateSchedule):
    """A function `step -> learning rate` as a schedule.

    `learning_rate=function` makes one of it. Keras' functions without an argument work too.

    Args:
        function: Called with the step, or with nothing if it takes nothing.

    Raises:
        UsageTypeError: If `function` cannot be called with one step.

    Example:
        >>> FunctionSchedule(lambda step: 0.1 / (1 + step))(1)
        0.05
    """

    def __init__(self, function: Callable[..., Any]) -> None:
        self.function = function
        self._takes_step = bool(inspect.signature(function).parameters)
        if self._takes_step:
            try:
                inspect.signature(function).bind(0)
            except TypeError as error:
                raise UsageTypeError(
                    f"learning_rate is {function!r}, which cannot be called with a step; give a "
                    "number, a schedule, or a function step -> number"
                ) from error

    def __call__(self, step: int) -> float:
        """Return what the function says."""
        return float(self.function(step) if self._takes_step else self.function())
