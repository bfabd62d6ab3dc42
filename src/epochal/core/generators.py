"""Every source of random numbers that a run draws from: their states, and back."""

import json
import random
from collections.abc import Iterator, Mapping
from typing import Any, TypeAlias

import numpy as np
import torch

from epochal.core.attributes import Owners, holders, members

__all__ = [
    "Generators",
    "Readings",
    "capture_generators",
    "described",
    "read_generators",
    "restore_generators",
    "restore_own",
]

Generators: TypeAlias = dict[str, Any]
"""The states of all generators: tensors, and what JSON can hold."""

Readings: TypeAlias = dict[str, Any]
"""The same as the libraries give them: cheap to take at every batch."""

_KINDS = (torch.Generator, np.random.Generator, np.random.RandomState, random.Random)


def capture_generators(owners: Owners | None = None) -> Generators:
    """Return the states of Python's, NumPy's and torch's generators, and of those in attributes.

    Args:
        owners: Objects by name that may hold generators of their own in attributes, as
            `Dropout(seed=...)` and a DataLoader's sampler do.

    Example:
        >>> saved = capture_generators()
        >>> first = torch.rand(()).item(), random.random(), np.random.rand()
        >>> restore_generators(saved)
        >>> first == (torch.rand(()).item(), random.random(), np.random.rand())
        True
    """
    return described(read_generators(owners))


def read_generators(owners: Owners | None = None) -> Readings:
    """Return what `described` makes the states of all generators of, in a fraction of the time."""
    readings: Readings = {
        "python": random.getstate(),
        "numpy": np.random.get_state(legacy=False),
        "torch": torch.get_rng_state(),
        "devices": {},
        "own": {path: _reading(found) for path, found in _own(owners)},
    }
    if torch.cuda.is_available():
        devices = range(torch.cuda.device_count())
        readings["devices"] = {str(index): torch.cuda.get_rng_state(index) for index in devices}
    return readings


def described(readings: Readings) -> Generators:
    """Return what was read as tensors, and what JSON can hold."""
    return {
        **readings,
        "python": _described(readings["python"]),
        "numpy": _described(readings["numpy"]),
        "own": {path: _described(state) for path, state in readings["own"].items()},
    }


def restore_generators(states: Generators, owners: Owners | None = None) -> None:
    """Put every generator back to where `capture_generators` found it.

    Args:
        states: What `capture_generators` returned.
        owners: The same objects, or their successors in another process.
    """
    random.setstate(_to_python(states["python"]))
    np.random.set_state(json.loads(states["numpy"]))
    torch.set_rng_state(states["torch"])
    for index, state in states["devices"].items():
        torch.cuda.set_rng_state(state, int(index))
    restore_own(states["own"], owners)


def restore_own(states: Mapping[str, Any], owners: Owners | None) -> None:
    """Put the generators in attributes back, and no others.

    Args:
        states: What `capture_generators` returned under `"own"`.
        owners: The same objects, or their successors in another process.
    """
    missing = dict(states)
    for path, generator in _own(owners):
        if path in missing:
            _put(generator, missing.pop(path))
    # What a layer makes at its first draw, which is still to come in this process.
    for path, state in missing.items():
        name, _, attribute = path.rpartition("/")
        owner = (owners or {}).get(name)
        if owner is not None and attribute in vars(owner) and isinstance(state, torch.Tensor):
            generator = torch.Generator()
            generator.set_state(state)
            setattr(owner, attribute, generator)


def _own(owners: Owners | None) -> Iterator[tuple[str, Any]]:
    for path, owner in holders(owners or {}):
        for name, value in members(owner):
            if isinstance(value, _KINDS):
                yield f"{path}/{name}", value


def _reading(generator: Any) -> Any:
    if isinstance(generator, torch.Generator):
        return generator.get_state()
    if isinstance(generator, np.random.Generator):
        return generator.bit_generator.state
    if isinstance(generator, np.random.RandomState):
        return generator.get_state(legacy=False)
    return generator.getstate()


def _described(state: Any) -> Any:
    if isinstance(state, Mapping):  # NumPy's
        return json.dumps(_plain(state))
    return _of_python(state) if isinstance(state, tuple) else state


def _put(generator: Any, state: Any) -> None:
    if isinstance(generator, torch.Generator):
        generator.set_state(state)
    elif isinstance(generator, np.random.Generator):
        generator.bit_generator.state = json.loads(state)
    elif isinstance(generator, np.random.RandomState):
        generator.set_state(json.loads(state))
    else:
        generator.setstate(_to_python(state))


def _of_python(state: Any) -> list[Any]:
    version, internal, gauss = state
    return [version, torch.tensor(internal, dtype=torch.int64), gauss]


def _to_python(state: list[Any]) -> tuple[Any, ...]:
    version, internal, gauss = state
    return version, tuple(internal.tolist()), gauss


def _plain(state: Any) -> Any:
    """Return NumPy's state as JSON holds it; its integers have up to 128 bits."""
    if isinstance(state, Mapping):
        return {key: _plain(value) for key, value in state.items()}
    return state.tolist() if isinstance(state, (np.ndarray, np.generic)) else state
