"""What a model and its callbacks hold beside weights and declared state, and what it remembers."""

import warnings
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import torch
from torch.optim.lr_scheduler import LRScheduler
from torch.utils.data import DataLoader

from epochal.core.attributes import Attributes, holders, members
from epochal.core.errors import UsageTypeError
from epochal.optimizers import Optimizer
from epochal.optimizers.schedules.from_torch import (
    group_numbers,
    load_group_numbers,
    load_scheduler_numbers,
    scheduler_numbers,
)
from epochal.state.packing import pack

__all__ = ["Belongings"]


class Belongings:
    """Counters in layers and callbacks of the user, and optimizers or schedulers they hold.

    Args:
        model: The model, compiled.
        callbacks: All callbacks.
    """

    def __init__(self, model: Any, callbacks: Sequence[object]) -> None:
        self._model = model
        self._callbacks = callbacks
        self._attributes = Attributes(self.owners, self._is_declared)

    def owners(self) -> dict[str, object]:
        """Return all modules and callbacks by name."""
        found: dict[str, object] = {
            f"model {name}": module for name, module in self._model.named_modules()
        }
        count = Counter[str]()
        for callback in self._callbacks:  # another list of them finds those of the same class
            kind = type(callback).__name__
            count[kind] += 1
            found[f"callback {kind} {count[kind]}"] = callback
        return found

    def attributes(self) -> dict[str, Any]:
        """Return the attributes that have changed since the run began."""
        return self._attributes.changed()

    def put_attributes(self, changed: Mapping[str, Any]) -> None:
        """Put back what `attributes` returned."""
        self._attributes.put(changed)

    def state_dict(self) -> dict[str, Any]:
        """Return the states of what is held and has one, by path."""
        return {path: _state(held) for path, held in self._held() if _can_be_kept(path, held)}

    def load_state_dict(self, states: Mapping[str, Any]) -> None:
        """Put back what `state_dict` returned."""
        left = dict(states)
        for path, held in self._held():
            if path in left:
                _load(held, left.pop(path))
        for path in left:
            warnings.warn(
                f"BackupAndRestore: what {path} had come to is not put back, for it is not there "
                "yet: make it before training, or in on_train_begin",
                stacklevel=2,
            )

    def _held(self) -> Iterator[tuple[str, Any]]:
        optimizer = self._model.optimizer
        known = [*self._model.modules(), *self._callbacks, *self._model.metrics, optimizer]
        if optimizer is not None and optimizer.built:
            known.append(optimizer.torch_optimizer)
        seen = {id(one) for one in known}
        for path, owner in holders(self.owners()):
            if _is_library(type(owner)):
                continue  # its state is in what it declares
            for name, value in members(owner):
                if _has_state(value) and id(value) not in seen:
                    seen.add(id(value))
                    yield f"{path}/{name}", value

    def _is_declared(self, owner: object, name: str) -> bool:
        """Whether a callback says itself what comes back."""
        if not any(owner is callback for callback in self._callbacks):
            return False
        kinds = type(owner).__mro__
        nearest = next(kind for kind in kinds if _is_library(kind))
        # What a built-in callback makes in its constructor is its own business.
        own = "__init__" in vars(nearest) or any(
            "state_dict" in vars(kind) for kind in kinds if not _is_library(kind)
        )
        return own or name in getattr(owner, "state", ()) or name in ("params", "run_id")


def _is_library(kind: type) -> bool:
    return kind.__module__.partition(".")[0] == "epochal"


def _has_state(value: object) -> bool:
    if isinstance(value, (type, DataLoader)) or not hasattr(value, "load_state_dict"):
        return False
    return not isinstance(value, Optimizer) or value.built


def _can_be_kept(path: str, held: Any) -> bool:
    if isinstance(held, (LRScheduler, torch.optim.Optimizer)):
        return True
    try:
        pack(held.state_dict(), path)
    except UsageTypeError as error:
        warnings.warn(f"BackupAndRestore: it will not come back: {error}", stacklevel=2)
        return False
    return True


def _state(held: Any) -> dict[str, Any]:
    if isinstance(held, LRScheduler):
        return {**scheduler_numbers(held), **group_numbers(held.optimizer)}
    if isinstance(held, torch.optim.Optimizer):
        memory = held.state_dict()["state"]
        return {"memory": {str(i): dict(m) for i, m in memory.items()}, **group_numbers(held)}
    return dict(held.state_dict())


def _load(held: Any, state: Mapping[str, Any]) -> None:
    if isinstance(held, LRScheduler):
        load_scheduler_numbers(held, state)
        load_group_numbers(held.optimizer, state)
    elif isinstance(held, torch.optim.Optimizer):
        memory = {int(index): dict(entries) for index, entries in state["memory"].items()}
        held.load_state_dict({**held.state_dict(), "state": memory})
        load_group_numbers(held, state)
    else:
        with torch.no_grad():
            held.load_state_dict(dict(state))
