"""Keras' schedules, in plain Python numbers: nothing here touches a device."""

import math
from bisect import bisect_left
from collections.abc import Sequence
from typing import Never

from epochal.core.errors import UsageError, reject_unknown
from epochal.optimizers.schedules.base import LearningRateSchedule

__all__ = [
    "CosineDecay",
    "CosineDecayRestarts",
    "ExponentialDecay",
    "InverseTimeDecay",
    "PiecewiseConstantDecay",
    "PolynomialDecay",
]


def _check_steps(schedule: LearningRateSchedule, argument: str, steps: float) -> None:
    if not steps > 0:
        raise UsageError(
            f"{type(schedule).__name__}: {argument} is {steps}; give a number of batches above 0"
        )


class ExponentialDecay(LearningRateSchedule):
    """Multiply the learning rate by `decay_rate` every `decay_steps` batches.

    Args:
        initial_learning_rate: The rate at step 0.
        decay_steps: Batches for one factor of `decay_rate`.
        decay_rate: The factor.
        staircase: Whether to change only at multiples of `decay_steps`.
        name: What the schedule is called.

    Raises:
        UsageError: If `decay_steps` is not above 0.

    Example:
        >>> ExponentialDecay(0.1, decay_steps=10, decay_rate=0.5)(20)
        0.025
    """

    def __init__(
        self,
        initial_learning_rate: float,
        decay_steps: float,
        decay_rate: float,
        staircase: bool = False,
        name: str = "ExponentialDecay",
        **unknown: Never,
    ) -> None:
        reject_unknown(ExponentialDecay.__init__, unknown)
        _check_steps(self, "decay_steps", decay_steps)
        self.initial_learning_rate = initial_learning_rate
        self.decay_steps = decay_steps
        self.decay_rate = decay_rate
        self.staircase = staircase
        self.name = name

    def __call__(self, step: int) -> float:
        """Return the learning rate of one step."""
        periods = step / self.decay_steps
        if self.staircase:
            periods = math.floor(periods)
        return float(self.initial_learning_rate * self.decay_rate**periods)


class InverseTimeDecay(LearningRateSchedule):
    """Divide the learning rate by `1 + decay_rate * step / decay_steps`.

    Args:
        initial_learning_rate: The rate at step 0.
        decay_steps: Batches for one more `decay_rate` in the divisor.
        decay_rate: How fast the divisor grows.
        staircase: Whether to change only at multiples of `decay_steps`.
        name: What the schedule is called.

    Raises:
        UsageError: If `decay_steps` is not above 0.

    Example:
        >>> InverseTimeDecay(0.1, decay_steps=10, decay_rate=1.0)(10)
        0.05
    """

    def __init__(
        self,
        initial_learning_rate: float,
        decay_steps: float,
        decay_rate: float,
        staircase: bool = False,
        name: str = "InverseTimeDecay",
        **unknown: Never,
    ) -> None:
        reject_unknown(InverseTimeDecay.__init__, unknown)
        _check_steps(self, "decay_steps", decay_steps)
        self.initial_learning_rate = initial_learning_rate
        self.decay_steps = decay_steps
        self.decay_rate = decay_rate
        self.staircase = staircase
        self.name = name

    def __call__(self, step: int) -> float:
        """Return the learning rate of one step."""
        periods = step / self.decay_steps
        if self.staircase:
            periods = math.floor(periods)
        return float(self.initial_learning_rate / (1.0 + self.decay_rate * periods))


class PiecewiseConstantDecay(LearningRateSchedule):
    """One learning rate up to each boundary.

    Args:
        boundaries: Steps, growing; a boundary itself still belongs to the rate before it.
        values: The rates, one more than boundaries.
        name: What the schedule is called.

    Raises:
        UsageError: If there is not one value more than boundaries, or boundaries do not grow.

    Example:
        >>> rate = PiecewiseConstantDecay([10, 20], [1.0, 0.5, 0.1])
        >>> rate(10), rate(11), rate(21)
        (1.0, 0.5, 0.1)
    """

    def __init__(
        self,
        boundaries: Sequence[float],
        values: Sequence[float],
        name: str = "PiecewiseConstant",
        **unknown: Never,
    ) -> None:
        reject_unknown(PiecewiseConstantDecay.__init__, unknown)
        if len(values) != len(boundaries) + 1:
            raise UsageError(
                f"PiecewiseConstantDecay: got {len(boundaries)} boundaries and {len(values)} "
                "values; give one value more than boundaries"
            )
        if list(boundaries) != sorted(set(boundaries)):
            raise UsageError(
                f"PiecewiseConstantDecay: boundaries are {list(boundaries)}; give growing steps"
            )
        self.boundaries = list(boundaries)
        self.values = list(values)
        self.name = name

    def __call__(self, step: int) -> float:
        """Return the learning rate of one step."""
        return float(self.values[bisect_left(self.boundaries, step)])


class PolynomialDecay(LearningRateSchedule):
    """Go from one learning rate to another along a power of the time left.

    Args:
        initial_learning_rate: The rate at step 0.
        decay_steps: Batches until `end_learning_rate` is reached.
        end_learning_rate: The last rate.
        power: 1 for a straight line, 0.5 for a late drop, 2 for an early one.
        cycle: Whether to start over with a stretch twice, three times, ... as long once the end is
            reached; otherwise the last rate stays.
        name: What the schedule is called.

    Raises:
        UsageError: If `decay_steps` is not above 0.

    Example:
        >>> PolynomialDecay(0.1, decay_steps=10, end_learning_rate=0.0)(5)
        0.05
    """

    def __init__(
        self,
        initial_learning_rate: float,
        decay_steps: float,
        end_learning_rate: float = 0.0001,
        power: float = 1.0,
        cycle: bool = False,
        name: str = "PolynomialDecay",
        **unknown: Never,
    ) -> None:
        reject_unknown(PolynomialDecay.__init__, unknown)
        _check_steps(self, "decay_steps", decay_steps)
        self.initial_learning_rate = initial_learning_rate
        self.decay_steps = decay_steps
        self.end_learning_rate = end_learning_rate
        self.power = power
        self.cycle = cycle
        self.name = name

    def __call__(self, step: int) -> float:
        """Return the learning rate of one step."""
        stretch = self.decay_steps
        if self.cycle:
            stretch *= max(1, math.ceil(step / self.decay_steps))
        left = 1.0 - min(step, stretch) / stretch
        gap = self.initial_learning_rate - self.end_learning_rate
        return float(gap * left**self.power + self.end_learning_rate)


class CosineDecay(LearningRateSchedule):
    """Fall along half a cosine, after a warm-up if asked for.

    Loshchilov and Hutter, 2016, "SGDR", https://arxiv.org/abs/1608.03983.

    Args:
        initial_learning_rate: The rate at step 0: where the warm-up starts, or the decay if there
            is none.
        decay_steps: Batches of the decay, not counting the warm-up.
        alpha: The last rate as a fraction of the rate the decay starts from.
        name: What the schedule is called.
        warmup_target: The rate the warm-up ends at and the decay starts from.
        warmup_steps: Batches of the warm-up.

    Raises:
        UsageError: If `decay_steps` is not above 0, or a warm-up has no target.

    Example:
        >>> rate = CosineDecay(0.0, decay_steps=100, warmup_target=0.1, warmup_steps=10)
        >>> rate(5), rate(10), rate(60), rate(110)
        (0.05, 0.1, 0.05, 0.0)
    """

    def __init__(
        self,
        initial_learning_rate: float,
        decay_steps: float,
        alpha: float = 0.0,
        name: str = "CosineDecay",
        warmup_target: float | None = None,
        warmup_steps: float = 0,
        **unknown: Never,
    ) -> None:
        reject_unknown(CosineDecay.__init__, unknown)
        _check_steps(self, "decay_steps", decay_steps)
        if warmup_steps and warmup_target is None:
            raise UsageError(
                f"CosineDecay: warmup_steps is {warmup_steps} without a warmup_target; give the "
                "rate the warm-up ends at"
            )
        self.initial_learning_rate = initial_learning_rate
        self.decay_steps = decay_steps
        self.alpha = alpha
        self.name = name
        self.warmup_target = warmup_target
        self.warmup_steps = warmup_steps

    def __call__(self, step: int) -> float:
        """Return the learning rate of one step."""
        top = self.initial_learning_rate
        if self.warmup_target is not None:
            if step < self.warmup_steps:
                return float(top + (self.warmup_target - top) * (step / self.warmup_steps))
            top = self.warmup_target
            step = step - self.warmup_steps  # type: ignore[assignment]
        done = min(step, self.decay_steps) / self.decay_steps
        fallen = 0.5 * (1.0 + math.cos(math.pi * done))
        return float(top * ((1.0 - self.alpha) * fallen + self.alpha))


class CosineDecayRestarts(LearningRateSchedule):
    """Fall along half a cosine, jump back up, and again over longer stretches.

    Loshchilov and Hutter, 2016, "SGDR", https://arxiv.org/abs/1608.03983.

    Args:
        initial_learning_rate: The rate at step 0.
        first_decay_steps: Batches of the first stretch.
        t_mul: How many times longer each stretch is than the one before, 1 or more.
        m_mul: The factor on the top rate of each new stretch.
        alpha: The lowest rate as a fraction of the initial one.
        name: What the schedule is called.

    Raises:
        UsageError: If `first_decay_steps` is not above 0 or `t_mul` is below 1.

    Example:
        >>> rate = CosineDecayRestarts(0.1, first_decay_steps=10)
        >>> rate(0), rate(5), rate(10), rate(20)
        (0.1, 0.05, 0.1, 0.05)
    """

    def __init__(
        self,
        initial_learning_rate: float,
        first_decay_steps: float,
        t_mul: float = 2.0,
        m_mul: float = 1.0,
        alpha: float = 0.0,
        name: str = "SGDRDecay",
        **unknown: Never,
    ) -> None:
        reject_unknown(CosineDecayRestarts.__init__, unknown)
        _check_steps(self, "first_decay_steps", first_decay_steps)
        if not t_mul >= 1.0:
            raise UsageError(
                f"CosineDecayRestarts: t_mul is {t_mul}; give 1 or more, since shrinking stretches "
                "come to an end and leave no learning rate after it"
            )
        self.initial_learning_rate = initial_learning_rate
        self.first_decay_steps = first_decay_steps
        self.t_mul = t_mul
        self.m_mul = m_mul
        self.alpha = alpha
        self.name = name

    def __call__(self, step: int) -> float:
        """Return the learning rate of one step."""
        # Subtracting whole stretches is exact where the closed form rounds: log(243) / log(3) is
        # just under 5, and the restart due there would come a step late.
        done, stretch, restarts = float(step), float(self.first_decay_steps), 0
        if self.t_mul == 1.0:
            restarts = int(done // stretch)
            done %= stretch
        while done >= stretch:
            done -= stretch
            stretch *= self.t_mul
            restarts += 1
        fallen = 0.5 * self.m_mul**restarts * (1.0 + math.cos(math.pi * done / stretch))
        return float(self.initial_learning_rate * ((1.0 - self.alpha) * fallen + self.alpha))
