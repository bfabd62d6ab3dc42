"""What a call was given, and whether its numbers can be."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from epochal.core.errors import Problems

__all__ = ["FitArguments", "Verbose", "check_numbers", "check_shared"]

Verbose = Literal["auto"] | int


@dataclass
class FitArguments:
    """What `fit` was called with."""

    x: Any
    y: Any
    batch_size: int | None
    epochs: int
    verbose: Verbose
    callbacks: Any
    validation_split: float
    validation_data: Any
    shuffle: bool | Literal["batch"]
    class_weight: Mapping[int, float] | None
    sample_weight: Any
    initial_epoch: int
    steps_per_epoch: int | None
    validation_steps: int | None
    validation_batch_size: int | None
    validation_freq: int | Sequence[int]


def check_numbers(given: FitArguments, problems: Problems) -> int:
    """Note numbers outside of what they can be; return `verbose` as a number."""
    for name, least in (("epochs", 0), ("initial_epoch", 0)):
        value = getattr(given, name)
        if not _is_integer(value):
            problems.add(f"{name} is {value!r}; give a whole number", of_type=True)
        elif value < least:
            problems.add(f"{name} is {value}; give {least} or more")
    for name in ("steps_per_epoch", "validation_steps", "validation_batch_size"):
        _at_least_one(getattr(given, name), name, problems)
    freq = given.validation_freq
    if isinstance(freq, int):
        if freq < 1 or isinstance(freq, bool):
            problems.add(f"validation_freq is {freq}; give 1 or more, or a list of epochs")
    elif not isinstance(freq, (list, tuple, set)) or not all(map(_is_integer, freq)):
        problems.add(
            f"validation_freq is {freq!r}; give every how many epochs, or a list of epochs, "
            "counted from 1",
            of_type=True,
        )
    if given.shuffle not in (True, False, "batch"):
        problems.add(f"shuffle is {given.shuffle!r}; give True, False or 'batch'")
    return check_shared(given.batch_size, None, given.verbose, problems)


def check_shared(batch_size: Any, steps: Any, verbose: Any, problems: Problems) -> int:
    """Note what is wrong with the numbers that all calls take; return `verbose` as a number."""
    _at_least_one(batch_size, "batch_size", problems)
    _at_least_one(steps, "steps", problems)
    if verbose == "auto":
        return 1
    if verbose not in (0, 1, 2):
        problems.add(f"verbose is {verbose!r}; give 0 (silent), 1 (progress bar), 2 or 'auto'")
        return 0
    return int(verbose)


def _at_least_one(value: Any, name: str, problems: Problems) -> None:
    if value is None:
        return
    if not _is_integer(value):
        problems.add(f"{name} is {value!r}; give a whole number", of_type=True)
    elif value < 1:
        problems.add(f"{name} is {value}; give 1 or more")


def _is_integer(value: Any) -> bool:
    return isinstance(value, (int, np.integer)) and not isinstance(value, bool)
