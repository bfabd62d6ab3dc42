"""`.keras`: Keras' archive of a model, its weights, its optimizer's state and compile settings."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from epochal.core.errors import UsageError
from epochal.models.formats import building, optimizer_state, weights_h5
from epochal.models.formats.boundary import check_size
from epochal.models.formats.compile_settings import compile_from
from epochal.models.formats.matching import LeftOut
from epochal.models.formats.reading_configs import make_model, mixed_precision
from epochal.models.formats.whole_model import (
    KERAS_VERSION,
    WholeModel,
    describe,
    settings_or_warning,
)
from epochal.storage import Archive, open_archive, open_hdf5, parse_json, write_archive, write_hdf5

__all__ = ["KerasZip"]


_CONFIG, _WEIGHTS, _METADATA = "config.json", "model.weights.h5", "metadata.json"


class KerasZip(WholeModel):
    """`.keras`."""

    endings = (".keras",)

    def save_model(self, model: Any, path: Path) -> None:
        """Write architecture, weights, optimizer state and compile settings."""
        call = f"save({str(path)!r})"
        config = describe(model, call)
        settings = settings_or_warning(model, call)
        if settings is not None:
            config["compile_config"] = settings
        members: dict[str, Any] = {
            # No date: the same model gives the same bytes.
            _METADATA: _json({"keras_version": KERAS_VERSION}),
            _CONFIG: _json(config),
            _WEIGHTS: lambda scratch: write_hdf5(
                scratch, lambda root: weights_h5.write_weights(root, model)
            ),
        }
        size = weights_h5.bytes_of(model)
        write_archive(path, members, scratch_bytes=size, make_folder=True)

    def check_weights(self, path: Path) -> None:
        """Refuse: such a file is of a whole model."""
        raise UsageError(
            f"save_weights({str(path)!r}): a .keras file holds a whole model: use save, or a path "
            "that ends in .weights.h5 or .safetensors"
        )

    def load_model(
        self, path: Path, custom_objects: Mapping[str, Any] | None, compile: bool
    ) -> Any:
        """Return the model that a file holds."""
        call = f"load_model({str(path)!r})"
        with open_archive(path) as archive:
            config = parse_json(_member(archive, _CONFIG, path), f"{_CONFIG} of {str(path)!r}")
            check_size(config, call)

            def make() -> Any:
                return make_model(config, custom_objects, call)

            model = building.build(make, trusted=bool(custom_objects))
            with open_hdf5(archive.span(_weights(archive, path))) as root:
                weights_h5.read_weights(root, model, call)
                model = building.settle(model, make, call)
                settings = config.get("compile_config") or {}
                if compile and settings.get("optimizer") is not None:
                    compile_from(model, settings, custom_objects, call, mixed_precision(config))
                    optimizer_state.restore_variables(model, weights_h5.optimizer_of(root), call)
        return model

    def load_weights(self, model: Any, path: Path, strict: bool) -> LeftOut:
        """Read the weights alone."""
        with (
            open_archive(path) as archive,
            open_hdf5(archive.span(_weights(archive, path))) as root,
        ):
            return weights_h5.read_weights(root, model, f"load_weights({str(path)!r})", strict)

    def restore(self, model: Any, path: Path) -> None:
        """Read the weights and the optimizer's state."""
        call = f"restore({str(path)!r})"
        with (
            open_archive(path) as archive,
            open_hdf5(archive.span(_weights(archive, path))) as root,
        ):
            weights_h5.restore_from(root, model, call)


def _json(value: Any) -> bytes:
    return json.dumps(value, allow_nan=False).encode()


def _member(archive: Archive, name: str, path: Path) -> bytes:
    if name not in archive.names:
        raise UsageError(f"{str(path)!r} is no .keras file: it has no {name}")
    return archive.read(name)


def _weights(archive: Archive, path: Path) -> str:
    if _WEIGHTS not in archive.names:
        kind = " (weights in .npz are not read)" if "model.weights.npz" in archive.names else ""
        raise UsageError(f"{str(path)!r} has no {_WEIGHTS}{kind}")
    return _WEIGHTS
