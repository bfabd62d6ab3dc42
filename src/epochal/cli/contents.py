"""What a model file holds, read without its tensors and without building anything."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from epochal.core.errors import UsageError
from epochal.storage import (
    H5Dataset,
    H5Group,
    Manifest,
    list_checkpoints,
    open_archive,
    open_hdf5,
    parse_json,
)
from epochal.storage.atomic import StrPath, existing_file
from epochal.storage.checkpoint_files import TENSORS, read_manifest, sequence_of
from epochal.storage.spans import Span, open_span
from epochal.storage.stored_tensors import read_entries
from epochal.storage.tensor_header import TensorEntry

__all__ = ["Contents", "Layer", "Saved", "Stored", "read_contents", "total"]


@dataclass(frozen=True)
class Stored:
    """One array of a file."""

    name: str
    shape: tuple[int, ...]
    dtype: str
    nbytes: int


@dataclass(frozen=True)
class Layer:
    """One layer of a description; `depth` counts the models that it lies in."""

    name: str
    kind: str
    settings: str
    depth: int


@dataclass(frozen=True)
class Saved:
    """One checkpoint in a folder: `size` is None where it is damaged, and `position` says why."""

    name: str
    saved_at: str
    position: str
    size: int | None


@dataclass
class Contents:
    """What a file says of itself."""

    path: Path
    size: int
    format: str
    notes: dict[str, str] = field(default_factory=dict)
    model: Any = None
    compiled: Any = None
    weights: list[Stored] = field(default_factory=list)
    optimizer: list[Stored] = field(default_factory=list)
    members: list[tuple[str, int]] = field(default_factory=list)
    checkpoints: list[Saved] = field(default_factory=list)

    def layers(self) -> list[Layer]:
        """Return the layers of the described model, those of models inside of it after them."""
        return _layers(self.model, 0)


def read_contents(path: StrPath) -> Contents:
    """Read what a file holds, beside the values of its tensors.

    Raises:
        FileMissingError: If it is not there.
        UsageError: If it is of no known format, damaged, or of a kind that is refused.
    """
    if Path(path).is_dir():
        return _checkpoints(Path(path))
    file = existing_file(path)
    readers = {
        ".safetensors": _safetensors,
        ".keras": _keras,
        ".epochal": _epochal,
        ".h5": _hdf5,
        ".hdf5": _hdf5,
    }
    if file.suffix not in readers:
        raise UsageError(
            f"{file} ends in {file.suffix or 'nothing'!r}; what can be inspected ends in "
            f"{', '.join(readers)}"
        )
    with open_span(file) as span:
        contents = Contents(file, span.size, "")
        readers[file.suffix](contents, span)
    return contents


def _checkpoints(folder: Path) -> Contents:
    """Tell the checkpoints of a run, and what the newest holds; or what one of them holds."""
    one = sequence_of(folder.absolute().name) is not None
    found = [read_manifest(folder)] if one else list_checkpoints(folder)
    if not found:
        raise UsageError(
            f"{folder} is a folder without checkpoints; give a file, or a run's folder"
        )
    contents = Contents(folder, 0, "checkpoint" if one else "checkpoints of a run")
    newest = None
    for item in found:
        if isinstance(item, Manifest):
            newest = item
            contents.size += item.size
            contents.checkpoints.append(Saved(item.name, item.saved_at, item.position, item.size))
        else:
            contents.checkpoints.append(Saved(item.name, "", item.reason, None))
    if newest is not None:
        contents.notes["run"] = newest.run_id
        file = (folder if one else folder / newest.name) / TENSORS
        with open_span(file) as span:
            contents.weights += _stored(read_entries(span)[0])
    return contents


def _stored(entries: Iterable[TensorEntry]) -> list[Stored]:
    return [Stored(entry.name, entry.shape, entry.dtype, entry.nbytes) for entry in entries]


def _safetensors(contents: Contents, span: Span) -> None:
    entries, notes = read_entries(span)
    contents.format = "safetensors"
    notes = dict(notes)
    for key, name in (("model", "model"), ("compile", "compiled")):
        if key in notes:
            what = f"the {key!r} note of {span.what}"
            setattr(contents, name, parse_json(notes.pop(key), what))
    notes.pop("optimizer", None)
    contents.notes |= notes
    for entry in entries:
        stored = Stored(entry.name, entry.shape, entry.dtype, entry.nbytes)
        kept = contents.optimizer if entry.name.startswith("optimizer/") else contents.weights
        kept.append(stored)


def _hdf5(contents: Contents, span: Span) -> None:
    with open_hdf5(span) as root:
        config = root.attrs.get("model_config")
        contents.format = "Keras weights (HDF5)" if config is None else "Keras model (legacy HDF5)"
        if isinstance(config, str):
            contents.model = parse_json(config, f"model_config of {span.what}")
        training = root.attrs.get("training_config")
        if isinstance(training, str):
            contents.compiled = parse_json(training, f"training_config of {span.what}")
        for name in ("keras_version", "backend"):
            if isinstance(root.attrs.get(name), str):
                contents.notes[name] = str(root.attrs[name])
        _arrays(contents, root)


def _arrays(contents: Contents, root: H5Group) -> None:
    for dataset in sorted(root.datasets(), key=_in_counting_order):
        name = dataset.path.lstrip("/")
        dtype = "bfloat16" if dataset.bfloat16 else str(dataset.dtype)
        stored = Stored(name, dataset.shape, dtype, dataset.nbytes)
        ours = dataset.path.startswith(("/optimizer/", "/optimizer_weights/"))
        (contents.optimizer if ours else contents.weights).append(stored)


def _in_counting_order(dataset: H5Dataset) -> list[tuple[str, int]]:
    """Put `vars/10` behind `vars/9`."""
    parts = re.findall(r"(\D*)(\d{0,9})", dataset.path)
    return [(text, int(number or -1)) for text, number in parts]


def _keras(contents: Contents, span: Span) -> None:
    contents.format = "Keras model"
    with open_archive(span) as archive:
        contents.members = [(name, archive.size(name)) for name in archive.names]
        config = parse_json(archive.read("config.json"), f"config.json of {span.what}")
        contents.model = config
        if isinstance(config, dict):
            contents.compiled = config.get("compile_config")
        if "metadata.json" in archive.names:
            metadata = parse_json(archive.read("metadata.json"), f"metadata.json of {span.what}")
            if isinstance(metadata, dict):
                contents.notes |= {k: v for k, v in metadata.items() if isinstance(v, str)}
        if "model.weights.h5" in archive.names:
            with open_hdf5(archive.span("model.weights.h5")) as root:
                _arrays(contents, root)


def _epochal(contents: Contents, span: Span) -> None:
    contents.format = "epochal model"
    with open_archive(span) as archive:
        contents.members = [(name, archive.size(name)) for name in archive.names]
        for name in archive.names:
            if name.endswith(".safetensors"):
                kept = contents.optimizer if name.startswith("optimizer") else contents.weights
                kept += _stored(read_entries(archive.span(name))[0])
            elif name.endswith(".json"):
                said = parse_json(archive.read(name), f"{name} of {span.what}")
                _describe(contents, said)
    contents.format = "epochal model"


def _describe(contents: Contents, said: Any) -> None:
    if not isinstance(said, dict):
        return
    contents.notes |= {key: value for key, value in said.items() if isinstance(value, str)}
    for key, name in (("model", "model"), ("compile", "compiled"), ("compile_config", "compiled")):
        if isinstance(said.get(key), dict):
            setattr(contents, name, said[key])


_SHOWN = (
    *("units", "filters", "kernel_size", "pool_size", "strides", "padding", "rate", "input_dim"),
    *("output_dim", "num_heads", "key_dim", "target_shape", "axis", "activation", "batch_shape"),
)


def _layers(described: Any, depth: int) -> list[Layer]:
    """Return what a description says, whatever it looks like: it may be anybody's."""
    config = described.get("config", described) if isinstance(described, dict) else {}
    entries = config.get("layers") if isinstance(config, dict) else None
    found: list[Layer] = []
    for entry in entries if isinstance(entries, list) else []:
        if not isinstance(entry, dict):
            continue
        inner = entry.get("config")
        settings: Mapping[str, Any] = inner if isinstance(inner, dict) else {}
        name = settings.get("name", entry.get("name", ""))
        kind = str(entry.get("class_name", "?"))
        found.append(Layer(str(name), kind, _settings(settings), depth))
        if "layers" in settings:
            found.extend(_layers(entry, depth + 1))
    return found or _modules(described, depth)


def _modules(described: Any, depth: int) -> list[Layer]:
    """Return the modules of torch's in a description: pairs of a name and what it stands for."""
    if isinstance(described, dict) and isinstance(described.get("module"), dict):
        return _modules({"modules": [["", described["module"]]]}, depth)
    pairs = described.get("modules") if isinstance(described, dict) else None
    found: list[Layer] = []
    for pair in pairs if isinstance(pairs, list) else []:
        if isinstance(pair, list) and len(pair) == 2 and isinstance(pair[1], dict):
            config = pair[1].get("config")
            told = _short_settings(config) if isinstance(config, dict) else ""
            kind = str(pair[1].get("class_name", "?"))
            found.append(Layer(str(pair[0]), kind, told, depth))
            found.extend(_layers(pair[1], depth + 1))
    return found


def _short_settings(config: Mapping[str, Any]) -> str:
    plain = {k: v for k, v in config.items() if isinstance(v, (int, float, str))}
    return ", ".join(f"{key}={value}" for key, value in plain.items())


def _settings(config: Mapping[str, Any]) -> str:
    shown = [(key, config[key]) for key in _SHOWN if config.get(key) not in (None, [], "linear")]
    return ", ".join(f"{key}={_short(value)}" for key, value in shown)


def _short(value: Any) -> str:
    if isinstance(value, dict):
        return str(value.get("class_name", "..."))
    if isinstance(value, list):
        return f"({', '.join(map(_short, value[:8]))}{', ...' if len(value) > 8 else ''})"
    return str(value)


def total(arrays: Iterable[Stored]) -> int:
    """Return how many bytes arrays have together."""
    return sum(stored.nbytes for stored in arrays)
