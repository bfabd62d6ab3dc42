"""What a criterion is: fed a learning curve point by point, it says when to stop, and why."""

import inspect
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Literal

from typing_extensions import override

from epochal.core.errors import UsageError, UsageTypeError, unknown_name

__all__ = ["All", "AnyOf", "Criterion", "Verdict"]


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a criterion says after one epoch.

    Attributes:
        stop: Whether to stop now.
        reason: Why, or why not yet, as one clause.
    """

    stop: bool
    reason: str


class Criterion(ABC):
    """Base of everything that can decide to stop; combine with `&` (all) and `|` (any).

    A criterion knows nothing of models and clocks: it is fed values and answers. The same object
    serves in `EarlyStopping`, in a loop of one's own, and in `replay` on a recorded curve.

    To write one, give `update`; if it remembers something, name it in `state` (plain numbers) and
    set it in `start`. `cost` turns a value so that smaller is better.

    Example:
        >>> from epochal.stopping import MinimumEpochs
        >>> class Even(Criterion):
        ...     def update(self, epoch, training, validation):
        ...         return Verdict(epoch % 2 == 0, f"epoch {epoch}")
        >>> (Even() & MinimumEpochs(4)).update(2, None, 0.5).stop
        False
    """

    state: ClassVar[Sequence[str]] = ()
    """Attributes that a resumed run needs back."""

    needs: frozenset[str] = frozenset()
    """What it has to be told beyond the validation value: `"training"`, and through `spend`
    `"seconds"`, `"steps"`, `"samples"`."""

    sign: float = 1.0
    """1 if small values are good, -1 if large ones are; `reset` sets it."""

    @abstractmethod
    def update(self, epoch: int, training: float | None, validation: float | None) -> Verdict:
        """Take one epoch's values and answer.

        Args:
            epoch: The epoch they belong to, counted from 0.
            training: The training value, such as the loss; None if there is none.
            validation: The validation value; None in an epoch that did not validate.
        """

    def start(self) -> None:  # noqa: B027 - a hook; most criteria remember nothing
        """Set the state that a new curve begins with."""

    def reset(self, mode: Literal["min", "max"] = "min") -> None:
        """Forget everything: a new curve begins.

        Args:
            mode: Whether small or large values are good, in training and validation alike.

        Raises:
            UsageError: If the mode is neither.
        """
        if mode not in ("min", "max"):
            raise UsageError(f"{type(self).__name__}: {unknown_name('mode', mode, ('min', 'max'))}")
        self.sign = 1.0 if mode == "min" else -1.0
        self.start()

    def spend(  # noqa: B027
        self, *, seconds: float | None = None, steps: int | None = None, samples: int | None = None
    ) -> None:
        """Take what training has cost since the last call; only `Budget` listens.

        Args:
            seconds: Time; None if nobody measures it, and so for the others.
            steps: Updates of the weights.
            samples: Training samples.
        """

    def cost(self, value: float) -> float:
        """Return the value so that smaller is better."""
        return self.sign * value

    def state_dict(self) -> dict[str, Any]:
        """Return what a resumed run needs back: numbers, and lists of them, by name."""
        values = {name: getattr(self, name) for name in ("sign", *self.state)}
        return {name: list(v) if isinstance(v, list) else v for name, v in values.items()}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Take back what `state_dict` returned.

        Raises:
            UsageTypeError: If a name is missing or unknown.
        """
        expected = {"sign", *self.state}
        if set(state) != expected:
            raise UsageTypeError(
                f"{type(self).__name__}: got the state of another criterion, {sorted(state)}; "
                f"expected {sorted(expected)}"
            )
        for name, value in state.items():
            setattr(self, name, list(value) if isinstance(value, list) else value)

    def __and__(self, other: "Criterion") -> "Criterion":
        """Return a criterion that stops when both say so after the same epoch."""
        return All(self, other) if isinstance(other, Criterion) else NotImplemented

    def __or__(self, other: "Criterion") -> "Criterion":
        """Return a criterion that stops when either says so."""
        return AnyOf(self, other) if isinstance(other, Criterion) else NotImplemented

    def __repr__(self) -> str:
        """Return the call that makes it, without the arguments that are as they are anyway."""
        parts = []
        for name, parameter in inspect.signature(type(self).__init__).parameters.items():
            if name == "self" or parameter.kind is parameter.VAR_KEYWORD:
                continue
            value = getattr(self, name)
            if parameter.default is parameter.empty:
                parts.append(repr(value))
            elif value != parameter.default:
                parts.append(f"{name}={value!r}")
        return f"{type(self).__name__}({', '.join(parts)})"


class _Group(Criterion):
    """Several criteria, each of which sees every epoch, whatever the others say."""

    word: ClassVar[str]

    def __init__(self, *criteria: Criterion) -> None:
        if not criteria:
            raise UsageError(f"{type(self).__name__}: give at least one criterion")
        for criterion in criteria:
            if not isinstance(criterion, Criterion):
                raise UsageTypeError(f"{type(self).__name__}: {criterion!r} is no criterion")
        # `a | b | c` is one group of three.
        self.criteria: tuple[Criterion, ...] = tuple(
            member
            for criterion in criteria
            for member in (criterion.criteria if type(criterion) is type(self) else (criterion,))
        )
        self.needs = frozenset[str]().union(*(member.needs for member in self.criteria))

    @override
    def reset(self, mode: Literal["min", "max"] = "min") -> None:
        super().reset(mode)
        for member in self.criteria:
            member.reset(mode)

    @override
    def spend(
        self, *, seconds: float | None = None, steps: int | None = None, samples: int | None = None
    ) -> None:
        for member in self.criteria:
            member.spend(seconds=seconds, steps=steps, samples=samples)

    @override
    def state_dict(self) -> dict[str, Any]:
        return {"sign": self.sign, "criteria": [member.state_dict() for member in self.criteria]}

    @override
    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        if set(state) != {"sign", "criteria"} or len(state["criteria"]) != len(self.criteria):
            raise UsageTypeError(
                f"{type(self).__name__}: got the state of another criterion, {sorted(state)}; "
                f"expected that of {self!r}"
            )
        self.sign = state["sign"]
        for member, saved in zip(self.criteria, state["criteria"], strict=True):
            member.load_state_dict(saved)

    def __repr__(self) -> str:
        return f" {self.word} ".join(
            f"({member!r})" if isinstance(member, _Group) else repr(member)
            for member in self.criteria
        )


class All(_Group):
    """Stops when all of its criteria say so after the same epoch; `a & b` makes one.

    A criterion of strips speaks at the ends of its strips only. To wait for criteria that fire at
    different times, wrap them in `Once`.

    Args:
        *criteria: The criteria.

    Example:
        >>> from epochal.stopping import MinimumEpochs, Threshold
        >>> both = MinimumEpochs(3) & Threshold(0.5)
        >>> [both.update(epoch, None, 0.4).stop for epoch in range(3)]
        [False, False, True]
    """

    word = "&"

    @override
    def update(self, epoch: int, training: float | None, validation: float | None) -> Verdict:
        verdicts = [member.update(epoch, training, validation) for member in self.criteria]
        waiting = [verdict.reason for verdict in verdicts if not verdict.stop]
        if waiting:
            return Verdict(False, "; ".join(waiting))
        return Verdict(True, " and ".join(verdict.reason for verdict in verdicts))


class AnyOf(_Group):
    """Stops when one of its criteria says so; `a | b` makes one.

    Args:
        *criteria: The criteria.

    Example:
        >>> from epochal.stopping import MinimumEpochs, Threshold
        >>> (MinimumEpochs(3) | Threshold(0.5)).update(0, None, 0.4)
        Verdict(stop=True, reason='0.4 has reached 0.5')
    """

    word = "|"

    @override
    def update(self, epoch: int, training: float | None, validation: float | None) -> Verdict:
        verdicts = [member.update(epoch, training, validation) for member in self.criteria]
        fired = [verdict.reason for verdict in verdicts if verdict.stop]
        reasons = fired or [verdict.reason for verdict in verdicts]
        return Verdict(bool(fired), "; ".join(reasons))
