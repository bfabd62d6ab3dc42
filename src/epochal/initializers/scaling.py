"""Initializers whose variance follows from the number of inputs and outputs."""

import math
from typing import Never

from torch import Tensor

from epochal.core.errors import UsageError, UsageTypeError, reject_unknown, unknown_name
from epochal.initializers.random import RandomInitializer, fill_truncated

__all__ = [
    "GlorotNormal",
    "GlorotUniform",
    "HeNormal",
    "HeUniform",
    "LecunNormal",
    "LecunUniform",
    "VarianceScaling",
]

# The standard deviation of a unit normal cut off at two standard deviations.
_TRUNCATED_STDDEV = 0.87962566103423978


class VarianceScaling(RandomInitializer):
    """Values whose variance is `scale / n`, `n` counted from the weight's shape.

    Args:
        scale: A positive factor.
        mode: `n` is the number of inputs (`"fan_in"`), of outputs (`"fan_out"`) or their mean
            (`"fan_avg"`).
        distribution: `"truncated_normal"`, `"untruncated_normal"` or `"uniform"`.
        seed: An integer to draw the same values at every call; `None` for torch's generator.

    Raises:
        UsageError: If an argument is none of these.

    Example:
        >>> values = VarianceScaling(mode="fan_avg", distribution="uniform")((2, 4))
        >>> bool((values.abs() <= 1.0).all())
        True
    """

    def __init__(
        self,
        scale: float = 1.0,
        mode: str = "fan_in",
        distribution: str = "truncated_normal",
        seed: int | None = None,
        **unknown: Never,
    ) -> None:
        reject_unknown(VarianceScaling.__init__, unknown)
        if scale <= 0:
            raise UsageError(f"VarianceScaling: got scale={scale!r}; expected a positive number")
        modes = ("fan_in", "fan_out", "fan_avg")
        if mode not in modes:
            raise UsageError(f"VarianceScaling: got mode={mode!r}; expected one of {modes}")
        distribution = distribution.lower().replace("-", "_")
        distribution = "truncated_normal" if distribution == "normal" else distribution
        kinds = ("truncated_normal", "untruncated_normal", "uniform")
        if distribution not in kinds:
            raise UsageError(
                f"VarianceScaling: got distribution={distribution!r}; expected one of {kinds}"
            )
        self.scale, self.mode, self.distribution, self.seed = scale, mode, distribution, seed

    def fill(self, values: Tensor) -> None:
        """Draw the values."""
        fan_in, fan_out = _fans(tuple(values.shape))
        count = {"fan_in": fan_in, "fan_out": fan_out, "fan_avg": (fan_in + fan_out) / 2}[self.mode]
        stddev = math.sqrt(self.scale / max(1.0, count))
        if self.distribution == "uniform":
            limit = math.sqrt(3.0) * stddev
            values.uniform_(-limit, limit, generator=self.generator())
        elif self.distribution == "untruncated_normal":
            values.normal_(0.0, stddev, generator=self.generator())
        else:
            fill_truncated(values, 0.0, stddev / _TRUNCATED_STDDEV, self.generator())


def _fans(shape: tuple[int, ...]) -> tuple[int, int]:
    """Return fan-in and fan-out of a weight in Keras' layout."""
    if len(shape) < 2:
        size = math.prod(shape)
        return size, size
    receptive_field = math.prod(shape[:-2])
    return shape[-2] * receptive_field, shape[-1] * receptive_field


class _Scaled(VarianceScaling):
    """A `VarianceScaling` with everything but the seed fixed by its name."""

    rule: tuple[float, str, str]

    def __init__(self, seed: int | None = None, **unknown: Never) -> None:
        for name in unknown:
            valid = unknown_name("argument", name, ["seed"])
            raise UsageTypeError(f"{type(self).__name__}: {valid}")
        super().__init__(*self.rule, seed=seed)


class GlorotUniform(_Scaled):
    """Uniform within `sqrt(6 / (fan_in + fan_out))`: the default kernel (Glorot & Bengio, 2010).

    Example:
        >>> bool((GlorotUniform(seed=1)((3, 3)).abs() <= 1.0).all())
        True
    """

    rule = (1.0, "fan_avg", "uniform")


class GlorotNormal(_Scaled):
    """Truncated normal of variance `2 / (fan_in + fan_out)` (Glorot & Bengio, 2010)."""

    rule = (1.0, "fan_avg", "truncated_normal")


class HeUniform(_Scaled):
    """Uniform within `sqrt(6 / fan_in)`, for relu networks (He et al., 2015)."""

    rule = (2.0, "fan_in", "uniform")


class HeNormal(_Scaled):
    """Truncated normal of variance `2 / fan_in`, for relu networks (He et al., 2015)."""

    rule = (2.0, "fan_in", "truncated_normal")


class LecunUniform(_Scaled):
    """Uniform within `sqrt(3 / fan_in)` (LeCun et al., 1998)."""

    rule = (1.0, "fan_in", "uniform")


class LecunNormal(_Scaled):
    """Truncated normal of variance `1 / fan_in`, the one for selu (Klambauer et al., 2017)."""

    rule = (1.0, "fan_in", "truncated_normal")
