"""What a folder of checkpoints holds, for `python -m epochal inspect`; its run may go on."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from epochal.core.errors import UsageError
from epochal.storage.checkpoint_files import (
    STATE,
    Manifest,
    Skipped,
    read_manifest,
    sequence_of,
    verify_files,
)
from epochal.storage.checkpoint_list import list_checkpoints
from epochal.storage.exact_json import decode_exact
from epochal.storage.sealed import DamagedError, read_checked

__all__ = ["Seen", "SavedRun", "read_run"]


@dataclass(frozen=True)
class Seen:
    """One checkpoint; `problem` says why it cannot be used."""

    name: str
    manifest: Manifest | None
    problem: str | None


@dataclass
class SavedRun:
    """A folder's checkpoints, oldest first, and what the newest good one says of its run.

    Args:
        folder: The folder.
        checkpoints: What lies in it.
        facts: What there is to say of the run, by name.
        epochs: The numbers of the last finished epochs, as people count.
        curves: What was logged: a value for each of `epochs`, None where there is none.
    """

    folder: Path
    checkpoints: list[Seen]
    facts: dict[str, str] = field(default_factory=dict)
    epochs: list[int] = field(default_factory=list)
    curves: dict[str, list[float | None]] = field(default_factory=dict)


def read_run(folder: Path) -> SavedRun:
    """Look at a run's folder, or one checkpoint of it, without a lock or a tensor in memory.

    Raises:
        UsageError: If there are no checkpoints in it.
        StorageError: If the machine cannot read it.
    """
    one = sequence_of(folder.absolute().name) is not None
    run = SavedRun(folder, [])
    for found in [read_manifest(folder)] if one else list_checkpoints(folder):
        if isinstance(found, Skipped):
            run.checkpoints.append(Seen(found.name, None, found.reason))
            continue
        place = folder if one else folder / found.name
        try:
            verify_files(place, found)
        except DamagedError as error:
            if place.exists():  # else its run has removed it meanwhile
                run.checkpoints.append(Seen(found.name, found, str(error)))
            continue
        run.checkpoints.append(Seen(found.name, found, None))
    if not run.checkpoints:
        raise UsageError(
            f"{folder} holds no checkpoints; give a model file, or the folder that "
            "BackupAndRestore saves in"
        )
    for seen in reversed(run.checkpoints):
        if seen.manifest is not None and seen.problem is None:
            _tell(run, _state_of(folder if one else folder / seen.name, seen.manifest))
            break
    return run


def _state_of(folder: Path, manifest: Manifest) -> Any:
    record = next(file for file in manifest.files if file.name == STATE)
    try:
        data = read_checked(folder / STATE, keep=True, size=record.size, sha256=record.sha256)
        return decode_exact(data, f"{STATE} of {folder.name}")
    except DamagedError:
        return None  # removed this moment


def _tell(run: SavedRun, state: Any) -> None:
    """Note what a state says; anybody may have made it, so nothing is taken for sure."""
    if not isinstance(state, Mapping):
        return
    position = state.get("position")
    if isinstance(position, (list, tuple)) and all(isinstance(n, int) for n in position):
        run.facts["Finished epochs"] = str(position[0])
    identity = state.get("identity")
    if isinstance(identity, Mapping):
        for key, name in (("optimizer", "Optimizer"), ("seed", "Seed")):
            if identity.get(key) is not None:
                run.facts[name] = str(identity[key])
        data = identity.get("data")
        if isinstance(data, Mapping):
            run.facts["Data"] = ", ".join(f"{key} {value}" for key, value in data.items())
    callbacks = state.get("callbacks")
    listed = callbacks if isinstance(callbacks, list) else []
    entries = [entry for entry in listed if isinstance(entry, Mapping)]
    run.facts["Callbacks"] = ", ".join(str(entry.get("class")) for entry in entries)
    for flag in ("stop_training", "diverged"):
        if state.get(flag):
            run.facts[flag] = "yes"
    for entry in entries:
        kept = entry.get("state")
        if entry.get("class") == "History" and isinstance(kept, Mapping):
            _take_curves(run, kept)


def _take_curves(run: SavedRun, kept: Mapping[str, Any]) -> None:
    epochs, history, epochs_of = (kept.get(key) for key in ("epoch", "history", "epochs_of"))
    if not isinstance(epochs, list) or not isinstance(history, Mapping):
        return
    run.epochs = [int(epoch) + 1 for epoch in epochs if isinstance(epoch, int)]
    for name, values in history.items():
        at = epochs_of.get(name) if isinstance(epochs_of, Mapping) else None
        if isinstance(values, list) and isinstance(at, list):
            by_epoch = dict(zip(at, values, strict=False))
            run.curves[str(name)] = [_number(by_epoch.get(epoch - 1)) for epoch in run.epochs]


def _number(value: Any) -> float | None:
    return float(value) if isinstance(value, (int, float)) else None
