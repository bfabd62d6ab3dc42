"""The keyword arguments that all optimizers share, and their checks."""

import inspect
from collections.abc import Mapping
from typing import TYPE_CHECKING, TypedDict

from epochal.core.errors import Problems, unknown_name

if TYPE_CHECKING:
    from epochal.optimizers.base import Optimizer

__all__ = [
    "KeywordsWithoutDecay",
    "OptimizerKeywords",
    "check_keywords",
    "reject_unknown_keywords",
]


class KeywordsWithoutDecay(TypedDict, total=False):
    """What every optimizer takes beside its own arguments, for those that decay weights anyway."""

    clipnorm: float | None
    clipvalue: float | None
    global_clipnorm: float | None
    use_ema: bool
    ema_momentum: float
    ema_overwrite_frequency: int | None
    loss_scale_factor: float | None
    gradient_accumulation_steps: int | None
    name: str | None


class OptimizerKeywords(KeywordsWithoutDecay, total=False):
    """What every optimizer takes beside its own arguments; see `Optimizer`."""

    weight_decay: float | None


_RENAMED = {
    "lr": "say learning_rate",
    "decay": "give learning_rate=epochal.optimizers.schedules.InverseTimeDecay(...)",
}


def reject_unknown_keywords(cls: type, base: type, unknown: Mapping[str, object]) -> None:
    """Refuse arguments that neither `cls` nor `base` names, pointing at the nearest one.

    Raises:
        UsageTypeError: If `unknown` holds anything.
    """
    problems = Problems(cls.__name__)
    for argument in unknown:
        own = [*inspect.signature(cls).parameters.values()]
        shared = inspect.signature(base).parameters.values()
        valid = [p.name for p in (*own, *shared) if p.kind is not p.VAR_KEYWORD]
        text = unknown_name("argument", argument, valid)
        if argument in _RENAMED:
            text = f"unknown argument {argument!r}: {_RENAMED[argument]}"
        problems.add(text, of_type=True)
    problems.raise_if_any()


def check_keywords(optimizer: "Optimizer") -> None:
    """Refuse shared arguments that are out of range, all together.

    Raises:
        UsageError: If any of them is.
    """
    problems = Problems(type(optimizer).__name__)
    clips = {
        "clipnorm": optimizer.clipnorm,
        "clipvalue": optimizer.clipvalue,
        "global_clipnorm": optimizer.global_clipnorm,
    }
    given = {name: value for name, value in clips.items() if value is not None}
    if len(given) > 1:
        problems.add(f"{' and '.join(given)} are given; choose one way to clip gradients")
    for name, value in {**given, "loss_scale_factor": optimizer.loss_scale_factor}.items():
        if value is not None and not value > 0:
            problems.add(f"{name} is {value}; give a number above 0, or leave it out")
    if optimizer.weight_decay is not None and not optimizer.weight_decay >= 0:
        problems.add(f"weight_decay is {optimizer.weight_decay}; give a number, 0 or more")
    if not 0.0 <= optimizer.ema_momentum <= 1.0:
        problems.add(f"ema_momentum is {optimizer.ema_momentum}; give a number from 0 to 1")
    every = optimizer.ema_overwrite_frequency
    if every is not None and (not isinstance(every, int) or every < 1):
        problems.add(f"ema_overwrite_frequency is {every}; give a number of updates, 1 or more")
    steps = optimizer.gradient_accumulation_steps
    if steps is not None and (not isinstance(steps, int) or steps < 2):
        problems.add(
            f"gradient_accumulation_steps is {steps}; give a number of batches, 2 or more, or None"
        )
    problems.raise_if_any()
