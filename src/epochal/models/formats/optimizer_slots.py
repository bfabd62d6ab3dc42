"""What each optimizer remembers of a weight, as Keras orders it and as torch names it."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from epochal.core.errors import UsageError
from epochal.optimizers import Adafactor, Optimizer

__all__ = ["Slot", "is_factored", "rounds_of"]


@dataclass(frozen=True)
class Slot:
    """One tensor that is remembered for each weight.

    Args:
        name: Keras' name for it.
        key: torch's name for it.
        by_rate: Keras' value is torch's times this and the learning rate, where it is not 0: its
            momentum is made of steps, torch's of gradients.
        first: What it holds before the first update.
    """

    name: str
    key: str
    by_rate: int = 0
    first: float = 0.0


_MEANS = (Slot("momentum", "exp_avg"), Slot("velocity", "exp_avg_sq"))

# Each entry of a list is one round over all weights; what is in one tuple lies side by side.
_ROUNDS: dict[str, Callable[[Any], list[tuple[Slot, ...]]]] = {
    "SGD": lambda o: [(Slot("momentum", "momentum_buffer", by_rate=-1),)] if o.momentum else [],
    "Adam": lambda o: (
        [_MEANS, (Slot("velocity_hat", "max_exp_avg_sq"),)] if o.amsgrad else [_MEANS]
    ),
    "Nadam": lambda _: [_MEANS],
    "Adamax": lambda _: [(_MEANS[0], Slot("norm", "exp_inf"))],
    "RMSprop": lambda o: [
        (Slot("velocity", "square_avg"),),
        *([(Slot("momentum", "momentum_buffer", by_rate=1),)] if o.momentum else []),
        *([(Slot("average_gradient", "grad_avg"),)] if o.centered else []),
    ],
    "Adagrad": lambda o: [(Slot("accumulator", "sum", first=o.initial_accumulator_value),)],
    "Adadelta": lambda _: [
        (Slot("accumulated_grad", "square_avg"), Slot("accumulated_delta_var", "acc_delta"))
    ],
    "Adafactor": lambda _: [()],  # see `factored`
    "Rprop": lambda o: [
        (Slot("previous", "prev"), Slot("step_size", "step_size", first=float(o.learning_rate)))
    ],
}


def rounds_of(optimizer: Optimizer) -> list[tuple[Slot, ...]]:
    """Return an optimizer's slots in the order of Keras' files.

    Raises:
        UsageError: If the file formats of Keras have no place for its state.
    """
    for kind in type(optimizer).__mro__:
        if kind.__name__ in _ROUNDS:
            return _ROUNDS[kind.__name__](optimizer)
    raise UsageError(
        f"the state of {type(optimizer).__name__} has no place in Keras' files; use one of "
        "epochal.optimizers"
    )


def is_factored(optimizer: Optimizer) -> bool:
    """Return whether the optimizer remembers rows and columns, as `factored` describes."""
    return isinstance(optimizer, Adafactor)
