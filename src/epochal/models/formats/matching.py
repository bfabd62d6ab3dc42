"""Which weight of a file goes where in a model, and what fits nowhere."""

import difflib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from torch import Tensor

from epochal.core.errors import Problems, UsageError
from epochal.models.prefixes import match

__all__ = ["LeftOut", "Pairing", "pair", "renamed"]

_MOST_NEAREST = 50  # names that are compared with all others, which takes long
_MOST_LISTED = 1000
_MOST_SHOWN = 20


@dataclass(frozen=True)
class LeftOut:
    """What `load_weights(..., strict=False)` did not load; false if that is nothing.

    Args:
        missing: Weights of the model that the file does not have; they stay as they were.
        unexpected: Weights of the file that the model does not have.
        misshaped: Weights of both, of different shapes; the model's stay as they were.
    """

    missing: tuple[str, ...] = ()
    unexpected: tuple[str, ...] = ()
    misshaped: tuple[str, ...] = ()
    reasons: tuple[str, ...] = field(default=(), repr=False)
    """A sentence for each of them."""

    def summary(self) -> str:
        """Return what was left out in a few lines."""
        count = len(self.missing) + len(self.unexpected) + len(self.misshaped)
        listed = "\n".join(f"  {text}" for text in self.reasons[:_MOST_SHOWN])
        more = f"\n  and {count - _MOST_SHOWN} more" if count > _MOST_SHOWN else ""
        return f"{count} weights do not fit and were left out:\n{listed}{more}"

    def __bool__(self) -> bool:
        return bool(self.missing or self.unexpected or self.misshaped)


@dataclass(frozen=True)
class Pairing:
    """The weights of a model that a file has, each with its name in the file; and the rest."""

    names: dict[str, str]
    left_out: LeftOut


def pair(
    found: Mapping[str, Iterable[int]],
    own: Mapping[str, Iterable[int]],
    call: str,
    strict: bool = True,
    labels: Mapping[str, str] | None = None,
) -> Pairing:
    """Find the weights of a file in a model.

    Args:
        found: The file's weights: their shapes by name.
        own: The model's.
        call: Named in the error.
        strict: Whether everything has to fit.
        labels: What the model's weights are called in the error, if not by their names.

    Raises:
        UsageError: If anything does not fit and `strict` is true: every mismatch is listed. If
            nothing fits at all: loading it would change nothing.
    """
    problems = Problems(call)
    if not own and found:
        problems.add(
            "the model has no weights yet; call it on data once, or give it an input shape"
        )
        problems.raise_if_any()
    meant = match(found, own)
    names = {meant[name]: name for name in found if meant[name] in own}
    missing = tuple(name for name in own if name not in names)
    unexpected = tuple(name for name in found if meant[name] not in own)
    misshaped = tuple(
        name for name in own if name in names and tuple(own[name]) != tuple(found[names[name]])
    )
    called = labels or {}
    for name in missing[:_MOST_LISTED]:
        near = _nearest(name, unexpected, problems)
        problems.add(f"the file lacks {called.get(name, repr(name))}{near}")
    for name in unexpected[:_MOST_LISTED]:
        near = _nearest(name, missing, problems)
        problems.add(f"the model lacks a weight of the file: {name!r}{near}")
    for name in misshaped[:_MOST_LISTED]:
        there, here = tuple(found[names.pop(name)]), tuple(own[name])
        label = called.get(name, name)
        problems.add(f"{label} has the shape {there} in the file and {here} in the model")
    if strict:
        problems.raise_if_any()
    if found and not names:
        raise UsageError(f"{call}: no weight of the file fits the model; " + _some(problems))
    return Pairing(names, LeftOut(missing, unexpected, misshaped, tuple(problems)))


def renamed(tensors: Mapping[str, Tensor], own: Iterable[str]) -> dict[str, Tensor]:
    """Return a file's tensors under the names that the model has for them."""
    meant = match(tensors, own)
    return {meant[name]: tensor for name, tensor in tensors.items()}


def _nearest(name: str, others: Iterable[str], so_far: Iterable[Any]) -> str:
    if sum(1 for _ in so_far) >= _MOST_NEAREST:
        return ""
    near = difflib.get_close_matches(name, others, n=1, cutoff=0.5)
    return f" (nearest: {near[0]!r})" if near else ""


def _some(problems: Problems) -> str:
    listed = list(problems)
    return "; ".join(listed[:5]) + (f"; and {len(listed) - 5} more" if len(listed) > 5 else "")
