"""`.h5` and `.hdf5`: Keras' older file of a whole model, which its newer versions still open.

Weights are found by their order, layer by layer, and not by their names. Inside of a nested model
those that are trained come first.
"""

import json
import warnings
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from epochal.core.errors import Problems, UsageError
from epochal.layers import NamedWeight, named_weights
from epochal.models.classes import is_described
from epochal.models.formats import building, optimizer_state, variables
from epochal.models.formats.boundary import check_size
from epochal.models.formats.compile_settings import compile_from
from epochal.models.formats.matching import LeftOut
from epochal.models.formats.reading_configs import make_model, mixed_precision
from epochal.models.formats.weights_h5 import bytes_of, write_array
from epochal.models.formats.whole_model import (
    KERAS_VERSION,
    WholeModel,
    describe,
    settings_or_warning,
)
from epochal.storage import H5Dataset, H5Group, open_hdf5, parse_json, write_hdf5

if TYPE_CHECKING:
    import h5py

__all__ = ["LegacyH5"]

_LARGEST_ATTRIBUTE = 64_512  # Keras' own limit; HDF5's is a little higher


class LegacyH5(WholeModel):
    """`.h5` and `.hdf5`."""

    endings = (".h5", ".hdf5")

    def save_model(self, model: Any, path: Path) -> None:
        """Write architecture, weights, optimizer state and compile settings."""
        call = f"save({str(path)!r})"
        config = json.dumps(_bare(describe(model, call)), allow_nan=False)
        # Keras cannot read a loss by its short name out of its own files of this kind.
        settings = settings_or_warning(model, call, names=False)

        def fill(root: "h5py.File") -> None:
            root.attrs.update(keras_version=KERAS_VERSION, backend="torch", model_config=config)
            _write_weights(root.create_group("model_weights"), model)
            if settings is not None:
                root.attrs["training_config"] = json.dumps(_training_config(settings))
                _write_optimizer(root.create_group("optimizer_weights"), model)

        write_hdf5(path, fill, size=bytes_of(model), make_folder=True)

    def check_weights(self, path: Path) -> None:
        """Refuse: the ending stands for a whole model."""
        better = path.with_suffix(".weights.h5").name
        raise UsageError(
            f"save_weights({str(path)!r}): {path.suffix} stands for a whole model; use {better!r} "
            "for weights, or save"
        )

    def load_model(
        self, path: Path, custom_objects: Mapping[str, Any] | None, compile: bool
    ) -> Any:
        """Return the model that a file holds."""
        call = f"load_model({str(path)!r})"
        with open_hdf5(path) as root:
            text = root.attrs.get("model_config")
            if not isinstance(text, str):
                raise UsageError(
                    f"{call}: the file holds no architecture; make the model in your code and call "
                    "its load_weights"
                )
            config = parse_json(text, f"model_config of {str(path)!r}")
            check_size(config, call)

            def make() -> Any:
                return make_model(config, custom_objects, call)

            model = building.build(make, trusted=bool(custom_objects))
            variables.read_into(_pairs(root, model, call))
            model = building.settle(model, make, call)
            training = root.attrs.get("training_config")
            if compile and isinstance(training, str):
                settings = parse_json(training, f"training_config of {str(path)!r}")
                precision = mixed_precision(config)
                compile_from(model, _settings(settings, call), custom_objects, call, precision)
                _restore_optimizer(root, model, call)
        return model

    def load_weights(self, model: Any, path: Path, strict: bool) -> LeftOut:
        """Read the weights alone."""
        call = f"load_weights({str(path)!r})"
        with open_hdf5(path) as root:
            if strict:
                variables.read_into(_pairs(root, model, call))
                return LeftOut()
            fitting, left_out = _fitting(root, model, call)
            variables.read_into(fitting)
        return left_out

    def restore(self, model: Any, path: Path) -> None:
        """Read the weights and the optimizer's state."""
        call = f"restore({str(path)!r})"
        with open_hdf5(path) as root:
            pairs = _pairs(root, model, call)
            if model.optimizer is not None:
                _restore_optimizer(root, model, call)
            variables.read_into(pairs)


def _bare(entry: Mapping[str, Any]) -> dict[str, Any]:
    """Return a description of a model without what the older format does not write."""
    config = dict(entry["config"])
    if "layers" in config:
        config["layers"] = [_bare(layer) for layer in config["layers"]]
    calls = {key: entry[key] for key in ("name", "inbound_nodes") if key in entry}
    return {"class_name": entry["class_name"], "config": config, **calls}


def _training_config(settings: Mapping[str, Any]) -> dict[str, Any]:
    rest = {key: _short(value) for key, value in settings.items() if key != "optimizer"}
    optimizer = settings["optimizer"]
    described = {"class_name": optimizer["class_name"], "config": optimizer["config"]}
    return {**rest, "optimizer_config": described}


def _short(value: Any) -> Any:
    """Return losses and metrics as the older format writes them: class and config alone."""
    if isinstance(value, list):
        return [_short(item) for item in value]
    if not isinstance(value, Mapping):
        return value
    if value.get("class_name") == "function":
        return value["config"]
    if "class_name" in value:
        return {"class_name": value["class_name"], "config": value["config"]}
    return {key: _short(item) for key, item in value.items()}


def _settings(training: Any, call: str) -> dict[str, Any]:
    if not isinstance(training, Mapping) or "optimizer_config" not in training:
        raise UsageError(f"{call}: the compile settings are damaged; load with compile=False")
    return {**training, "optimizer": training["optimizer_config"]}


def _layers(model: Any) -> Iterator[tuple[str, list[NamedWeight]]]:
    """Yield every layer of a model with its weights in the order of the file."""
    by_layer: dict[str, list[NamedWeight]] = {name: [] for name, _ in model.named_children()}
    for weight in named_weights(model):
        by_layer[weight.path.partition("/")[0]].append(weight)
    for name, weights in by_layer.items():
        yield name, sorted(weights, key=lambda weight: not weight.trainable)


def _write_weights(group: "h5py.Group", model: Any) -> None:
    names = [name for name, _ in _layers(model)]
    _write_names(group, "layer_names", names)
    group.attrs.update(backend="torch", keras_version=KERAS_VERSION)
    for name, weights in _layers(model):
        own = group.create_group(name)
        _write_names(own, "weight_names", [weight.path for weight in weights])
        for weight in weights:
            write_array(own, weight.path, variables.as_array(weight.value))
    _write_names(group.create_group("top_level_model_weights"), "weight_names", [])


def _write_optimizer(group: "h5py.Group", model: Any) -> None:
    state = optimizer_state.variables_of(model)
    paths = [f"{model.optimizer.name}/{name}" for name, _ in state]
    _write_names(group, "weight_names", paths)
    for path, (_, value) in zip(paths, state, strict=True):
        write_array(group, path, variables.as_array(value))


def _write_names(group: "h5py.Group", key: str, names: list[str]) -> None:
    """Write a list of names as one attribute, or as numbered ones where it is too long for one."""
    longest = max((len(name.encode()) for name in names), default=1)
    step = max(1, _LARGEST_ATTRIBUTE // max(longest, 16))
    if len(names) <= step:
        group.attrs[key] = names
        return
    for number, start in enumerate(range(0, len(names), step)):
        group.attrs[f"{key}{number}"] = names[start : start + step]


def _read_names(group: H5Group, key: str, call: str) -> list[str]:
    """Read what `_write_names` or Keras wrote."""
    found: list[str] = []
    parts = [group.attrs[key]] if key in group.attrs else []
    while f"{key}{len(parts)}" in group.attrs:
        parts.append(group.attrs[f"{key}{len(parts)}"])
    for part in parts:
        names = part if isinstance(part, list) else list(getattr(part, "flat", [part]))
        found += [name.decode() if isinstance(name, bytes) else str(name) for name in names]
    if not parts:
        raise UsageError(f"{call}: {group.path!r} in the file lists no {key}")
    return found


def _pairs(root: H5Group, model: Any, call: str) -> list[tuple[NamedWeight, H5Dataset]]:
    """Return each weight with its dataset, or raise one error that lists every difference."""
    found = _found(root, model, call)
    here = [(name, weights) for name, weights in _layers(model) if weights]
    there = [(name, weights) for name, weights in found if weights]
    problems = Problems(call)
    if len(here) != len(there):
        problems.add(
            f"the file has {len(there)} layers with weights ({_listed(there)}), the model "
            f"{len(here)} ({_listed(here)})"
        )
    pairs = []
    for (name, weights), (layer, datasets) in zip(here, there, strict=False):
        if len(weights) != len(datasets):
            problems.add(
                f"the layer {layer!r} has {len(datasets)} weights in the file, and {name!r} of the "
                f"model has {len(weights)}"
            )
        for weight, (label, dataset) in zip(weights, datasets, strict=False):
            if weight.shape != dataset.shape:
                problems.add(
                    f"{label} has the shape {dataset.shape} in the file, and {weight.path} of the "
                    f"model {weight.shape}"
                )
            pairs.append((weight, dataset))
    problems.raise_if_any()
    return pairs


def _found(root: H5Group, model: Any, call: str) -> list[tuple[str, list[tuple[str, H5Dataset]]]]:
    """Return the layers of a file with what their weights are called in errors."""
    group = root.group("model_weights") if "model_weights" in root else root
    if not is_described(model):
        raise UsageError(
            f"{call}: weights in this format are found by the order of a model's layers, and a "
            f"{type(model).__name__} has none; use .weights.h5 or .safetensors"
        )
    found: list[tuple[str, list[tuple[str, H5Dataset]]]] = []
    for layer in _read_names(group, "layer_names", call):
        own = group.group(layer)
        names = _read_names(own, "weight_names", call)
        found.append((layer, [(f"{layer}: {name}", own.dataset(name)) for name in names]))
    return found


def _fitting(
    root: H5Group, model: Any, call: str
) -> tuple[list[tuple[NamedWeight, H5Dataset]], LeftOut]:
    """Return what fits where not all does: by the layers' names, and then by order."""
    there = {
        f"{layer}/{number}": dataset
        for layer, datasets in _found(root, model, call)
        for number, (_, dataset) in enumerate(datasets)
    }
    here = {
        f"{name}/{number}": weight
        for name, weights in _layers(model)
        for number, weight in enumerate(weights)
    }
    return variables.pairs(here, there, call, strict=False)


def _listed(layers: list[tuple[str, Any]]) -> str:
    names = ", ".join(repr(name) for name, _ in layers[:8])
    return (names or "none") + (", ..." if len(layers) > 8 else "")


def _restore_optimizer(root: H5Group, model: Any, call: str) -> None:
    group = root.get("optimizer_weights")
    if not isinstance(group, H5Group):
        return
    if str(root.attrs.get("keras_version", KERAS_VERSION))[:2] in ("1.", "2."):
        warnings.warn(
            f"{call}: Keras 2 wrote the optimizer's state in another order; it starts anew",
            UserWarning,
            stacklevel=4,
        )
        return
    names = _read_names(group, "weight_names", call)
    arrays = [variables.as_tensor(group.dataset(name)) for name in names]
    optimizer_state.restore_variables(model, arrays, call)
