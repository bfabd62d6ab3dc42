"""What a metric is: weights that add up over batches, and a result that can be read any time."""

import copy
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from types import FunctionType
from typing import Any, Never, TypeVar

import numpy as np
import torch
from torch import Tensor

from epochal.backend.convert import convert_to_tensor
from epochal.core.config import Configurable
from epochal.core.errors import UsageError, reject_unknown
from epochal.core.names import snake_case, unique_name
from epochal.core.trees import leaves_with_paths
from epochal.metrics.weight import Reduction, Weight

__all__ = ["Metric"]

T = TypeVar("T")
_RESETS = ("reset_states", "reset_state")

# Attributes of every metric that hold no part of it.
_OWN = ("_weights", "_shared", "_places")
# What is no metric and holds none; whether it is one takes ten times as long to ask.
_PLAIN = frozenset({str, int, float, bool, type(None), FunctionType, Weight, Tensor, torch.dtype})


class Metric(Configurable, ABC):
    """Base of every metric; subclass it to write your own.

    Make the weights with `add_weight`, update them in `update_state`, return the value from
    `result`. Inside `fit` the metric is reset at the start of every epoch and every validation.
    Metrics kept in attributes belong to it: they are reset and saved with it.

    Args:
        dtype: Type of the weights where `add_weight` names none; float64 keeps counts exact to
            2**53 samples.
        name: The name it is logged under; the class name in snake case by default.

    Example:
        >>> class Positives(Metric):
        ...     def __init__(self, name="positives"):
        ...         super().__init__(name=name)
        ...         self.count = self.add_weight(name="count")
        ...     def update_state(self, y_true, y_pred, sample_weight=None):
        ...         self.count.assign_add((y_pred > 0.5).sum())
        ...     def result(self):
        ...         return self.count.value
        >>> positives = Positives()
        >>> float(positives(torch.tensor([1, 0]), torch.tensor([0.9, 0.2])))
        1.0
    """

    direction: Any = None
    """`"max"` or `"min"`: which way is better, for `mode="auto"`; None if it cannot be said."""

    outputs: Sequence[str] = ()
    """If `result` returns a dict: its keys, so that they are known before training; each is logged
    under its own name."""

    coalesce: bool = False
    """Whether the outputs of several batches may be scored in one update with the same result,
    and whether the weights are all that `result` needs. Declared with `class M(Metric,
    coalesce=True)` and not inherited: a subclass that overrides something says so itself."""

    _shared: dict[Any, Any] | None = None

    def __setattr__(self, name: str, value: Any) -> None:
        super().__setattr__(name, value)
        # Every reading of a metric looks for its parts, and most of what it has is none.
        if type(value) not in _PLAIN and name not in _OWN and isinstance(value, _HOLDERS):
            vars(self).setdefault("_places", {})[name] = None

    def __init_subclass__(cls, *, coalesce: bool = False, **keywords: Any) -> None:
        super().__init_subclass__(**keywords)
        cls.coalesce = coalesce
        # Keras' name until 2.5: whichever of the two a class writes, both mean it.
        for written, other in (_RESETS, _RESETS[::-1]):
            if written in vars(cls) and other not in vars(cls):
                setattr(cls, other, vars(cls)[written])

    def __init__(self, dtype: Any = None, name: str | None = None, **unknown: Never) -> None:
        reject_unknown(Metric.__init__, unknown)
        self.dtype = dtype
        self.name = name or snake_case(type(self).__name__)
        self._weights: list[Weight] = []

    def add_weight(
        self,
        shape: Any = (),
        initializer: Any = "zeros",
        dtype: Any = None,
        name: str | None = None,
        reduction: Reduction = "sum",
        **unknown: Never,
    ) -> Weight:
        """Add one weight: a tensor that starts at its initial value and survives a restart.

        Args:
            shape: Its shape; `()` for a number. Keras' older form, the name first, works too.
            initializer: `"zeros"`, `"ones"`, another initializer, a number, or a function of the
                shape.
            dtype: Its type; the metric's own by default, else float64.
            name: Its name in saved states.
            reduction: How the weights of several processes become one: `"sum"`, `"max"`, `"min"`
                or `"concat"`.

        Returns:
            The weight; `assign`, `assign_add` and arithmetic work on it.
        """
        reject_unknown(Metric.add_weight, unknown)
        if isinstance(shape, str):
            shape, name = (), shape
        taken = {weight.name for weight in self._weights}
        weight = Weight(
            shape,
            initializer,
            dtype or self.dtype or torch.float64,
            unique_name(name or f"weight_{len(self._weights)}", taken.__contains__),
            reduction,
        )
        self._weights.append(weight)
        return weight

    add_variable = add_weight

    @property
    def variables(self) -> list[Weight]:
        """The weights in the order they were added, then those of metrics kept in attributes."""
        return list(self._named_weights().values() if self._parts() else self._weights)

    @property
    def weights(self) -> list[Weight]:
        """The same as `variables`."""
        return self.variables

    @abstractmethod
    def update_state(self, y_true: Any, y_pred: Any, sample_weight: Any = None) -> None:
        """Take one batch in.

        Args:
            y_true: Targets, (N, ...).
            y_pred: Outputs of the model, (N, ...).
            sample_weight: How much each sample counts, (N,), or None.
        """

    def update_shared(
        self, shared: dict[Any, Any], y_true: Any, y_pred: Any, sample_weight: Any = None
    ) -> None:
        """Take one batch in that other metrics take in too; `fit` calls this for joined batches.

        Args:
            shared: What metrics have computed of this batch: an empty dict for the first, the same
                for all. It keeps what it was computed of, so drop it with the batch.
            y_true: As in `update_state`, the same object for all.
            y_pred: As in `update_state`.
            sample_weight: As in `update_state`.
        """
        self._shared = shared
        try:
            self.update_state(y_true, y_pred, sample_weight=sample_weight)
        finally:
            self._shared = None

    @abstractmethod
    def result(self) -> Any:
        """Return the value over everything taken in since the last reset."""

    def reset_state(self) -> None:
        """Forget everything taken in."""
        for weight in self._weights:
            weight.reset()
        for metric in self._parts().values():
            metric.reset_state()

    reset_states = reset_state

    def __call__(self, *args: Any, **keywords: Any) -> Any:
        """Update with one batch and return the result so far."""
        self.update_state(*args, **keywords)
        return self.result()

    def snapshot(self) -> tuple[Tensor, ...]:
        """Return the values of the weights; they are replaced, never changed, by updates."""
        return tuple(weight.value for weight in self.variables)

    def restore(self, snapshot: tuple[Tensor, ...]) -> None:
        """Put back what `snapshot` returned."""
        for weight, value in zip(self.variables, snapshot, strict=True):
            weight.value = value

    def state_dict(self) -> dict[str, Tensor]:
        """Return the values of the weights by name."""
        return {name: weight.value for name, weight in self._named_weights().items()}

    def load_state_dict(self, state: dict[str, Tensor]) -> None:
        """Take the weights back from `state_dict`.

        Raises:
            UsageError: If names are missing or too many, or a shape is another one.
        """
        weights = self._named_weights()
        if set(state) != set(weights):
            raise UsageError(
                f"metric {self.name!r}: got the weights {sorted(state)}, expected {sorted(weights)}"
            )
        for name, weight in weights.items():
            weight.assign(state[name])

    def everything(self) -> dict[str, Any]:
        """Return the weights and whatever else may have changed since the metric was made.

        A checkpoint inside of an epoch needs it for metrics that keep sums in plain attributes:
        tensors, arrays, numbers, text, and lists and dicts of them.
        """
        own = {
            name: value
            for name, value in vars(self).items()
            if name not in _OWN and _is_plain(value)
        }
        return {"weights": self.state_dict(), "attributes": copy.deepcopy(own)}

    def take_everything(self, state: Mapping[str, Any]) -> None:
        """Take back what `everything` returned."""
        self.load_state_dict(state["weights"])
        for name, value in state["attributes"].items():
            setattr(self, name, value)

    def merge_state(self, others: Iterable["Metric"]) -> None:
        """Take in what other metrics of the same kind have seen, as if this one had seen it all.

        Each weight follows its reduction. Use it to join what several processes have scored.

        Args:
            others: Metrics made with the same arguments; they stay as they are.

        Raises:
            UsageError: If one is of another class, was made with other arguments or has other
                weights, or there are none that could be joined.
        """
        weights = self._named_weights()
        found = [(other, other._named_weights()) for other in others]
        for other, its in found:
            if type(other) is not type(self) or set(its) != set(weights):
                raise UsageError(
                    f"metric {self.name!r}: a {type(self).__name__} with the weights "
                    f"{sorted(weights)} cannot take in a {type(other).__name__} with {sorted(its)}"
                )
            self._check_same(self._settings(), other._settings())
        if not weights:
            raise UsageError(
                f"metric {self.name!r}: {type(self).__name__} keeps what it has seen in no weight; "
                "use add_weight, or write merge_state yourself"
            )
        for name, weight in weights.items():
            weight.merge([its[name].value for _, its in found])

    def _once(self, function: Callable[..., T], *arguments: Any) -> T:
        """Return `function(*arguments)`, computed once for all metrics that share a batch."""
        if self._shared is None:
            return function(*arguments)
        # Tensors by who they are; the dict keeps them, so that no other takes an identity over.
        key = (
            function,
            *(id(a) if isinstance(a, Tensor) or a.__hash__ is None else a for a in arguments),
        )
        if key not in self._shared:
            self._shared[key] = function(*arguments), arguments
        found: T = self._shared[key][0]
        return found

    def _settings(self) -> dict[str, Any]:
        """Return the arguments that states to be merged must have in common."""
        try:
            config = self.get_config()
        except UsageError:  # a class of the user's own need not keep its arguments
            return {}
        return {name: value for name, value in config.items() if name not in ("name", "dtype")}

    def _check_same(self, own: dict[str, Any], its: dict[str, Any]) -> None:
        for name, value in own.items():
            other = its.get(name, value)
            if other is not value and other != value:
                raise UsageError(
                    f"metric {self.name!r} has {name}={value!r} and cannot take in one that has "
                    f"{name}={other!r}; make metrics that are to be merged with the same arguments"
                )

    def _parts(self) -> dict[str, "Metric"]:
        """Return the metrics kept in attributes, each once, by where they stand."""
        found: dict[str, Metric] = {}
        own = vars(self)
        for attribute in own.get("_places", ()):
            value = own.get(attribute)
            if not isinstance(value, _HOLDERS):
                continue  # something else by now
            if not isinstance(value, Metric):
                inside = value.values() if isinstance(value, dict) else value
                if _PLAIN.issuperset(map(type, inside)):
                    continue  # numbers, as thresholds are: no need to walk through them
            for path, leaf in leaves_with_paths(value, attribute):
                if isinstance(leaf, Metric) and not any(leaf is part for part in found.values()):
                    found[path] = leaf
        return found

    def _named_weights(self) -> dict[str, Weight]:
        named = {weight.name: weight for weight in self._weights}
        for path, part in self._parts().items():
            for name, weight in part._named_weights().items():
                named[f"{path}.{name}"] = weight
        return named

    def __repr__(self) -> str:
        return f"<{type(self).__name__} name={self.name!r}>"


# What may hold a metric, or be one.
_HOLDERS = (list, tuple, dict, Metric)


def as_tensor(value: Any, like: Tensor | None = None) -> Tensor:
    """Return what a user passes to a metric by hand (list, array, number) as a tensor."""
    if isinstance(value, Tensor):
        return value.detach()
    tensor = convert_to_tensor(value)
    return tensor if like is None else tensor.to(like.device)


def blocks(*parts: Tensor, rows: int = 2**14) -> Iterator[tuple[Tensor, ...]]:
    """Yield the same rows of each tensor, so few at a time that they stay in the cache.

    For a million rows the arrays between steps of arithmetic cost ten times the arithmetic.

    Example:
        >>> [len(block) for block, in blocks(torch.zeros(20_000, 1))]
        [16384, 3616]
    """
    for start in range(0, len(parts[0]), rows):
        yield tuple(part[start : start + rows] for part in parts)


def _is_plain(value: Any) -> bool:
    """Whether a value is made of tensors, arrays, numbers and text alone."""
    if isinstance(value, Mapping):
        return all(isinstance(key, str) and _is_plain(item) for key, item in value.items())
    if isinstance(value, (list, tuple)):
        return all(map(_is_plain, value))
    return value is None or isinstance(value, (Tensor, np.ndarray, str, bool, int, float))
