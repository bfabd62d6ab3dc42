"""`.safetensors`: weights of any module, for every tool that reads the format."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from torch import nn

from epochal import losses, metrics, optimizers
from epochal.core.errors import UsageError
from epochal.core.version import __version__
from epochal.models.classes import is_described, model_class
from epochal.models.formats import building
from epochal.models.formats.base import Format
from epochal.models.formats.boundary import check_size
from epochal.models.formats.matching import LeftOut
from epochal.models.formats.named_tensors import (
    Renamed,
    assign,
    compare,
    give_optimizer,
    optimizer_state,
    tensors_of,
)
from epochal.storage import StoredTensors, open_tensors, parse_json, save_tensors

__all__ = ["Safetensors"]

_OPTIMIZER = "optimizer/"  # no weight's name holds a slash


class Safetensors(Format):
    """`.safetensors`: tensors by their names in `state_dict`, and JSON in the header."""

    endings = (".safetensors",)

    def save_weights(self, model: nn.Module, path: Path) -> None:
        """Write a model's weights."""
        save_tensors(path, tensors_of(model), _notes("weights"), make_folder=True)

    def load_weights(self, model: nn.Module, path: Path, strict: bool) -> LeftOut:
        """Read a model's weights, from a file of weights or of a whole model."""
        call = f"load_weights({str(path)!r})"
        with open_tensors(path) as stored:
            return assign(model, stored, call, strict, shapes=_weights(stored))

    def check_model(self, model: Any, path: Path) -> None:
        """Take every model."""

    def save_model(self, model: Any, path: Path) -> None:
        """Write weights, the optimizer's state, and what can be said of how the model was made."""
        tensors = tensors_of(model)
        notes = _notes("model")
        config = _architecture(model)
        if config is not None:
            notes["model"] = json.dumps(config)
        compiled = _settings(model)
        if compiled is not None:
            notes["compile"] = json.dumps(compiled)
        state, numbers = optimizer_state(model)
        if numbers is not None:
            tensors |= {_OPTIMIZER + name: value for name, value in state.items()}
            notes["optimizer"] = json.dumps(numbers)
        save_tensors(path, tensors, notes, make_folder=True)

    def restore(self, model: Any, path: Path) -> None:
        """Read a model's weights, and its optimizer's state if the file and the model have one."""
        call = f"restore({str(path)!r})"
        with open_tensors(path) as stored:

            def give() -> None:
                if model.optimizer is not None and "optimizer" in stored.metadata:
                    what = f"{call}: the optimizer's description"
                    numbers = parse_json(stored.metadata["optimizer"], what)
                    _restore_optimizer(model, stored, numbers)

            assign(model, stored, call, shapes=_weights(stored), before=give)

    def load_model(
        self, path: Path, custom_objects: Mapping[str, Any] | None, compile: bool
    ) -> Any:
        """Return the model that a file holds, if it was saved whole."""
        call = f"load_model({str(path)!r})"
        with open_tensors(path) as stored:
            return _made(stored, custom_objects, compile, call)


def _made(
    stored: StoredTensors, custom_objects: Mapping[str, Any] | None, compile: bool, call: str
) -> Any:
    notes = stored.metadata
    if "model" not in notes:
        raise UsageError(
            f"{call}: the file holds weights and no architecture; make the model in your code "
            "and call its load_weights"
        )
    config = parse_json(notes["model"], f"{call}: the description")
    settings = parse_json(notes.get("compile", "null"), f"{call}: the description")
    numbers = parse_json(notes.get("optimizer", "null"), f"{call}: the description")
    check_size(config, call)

    def make() -> Any:
        return model_class("Sequential").from_config(config, custom_objects)

    # First without values: a description may ask for a terabyte that the file does not hold.
    compare(building.build(make, trusted=bool(custom_objects)), _weights(stored), call)
    model = make()
    assign(model, stored, call, shapes=_weights(stored))
    if compile and settings is not None:
        model.compile(
            optimizers.deserialize(settings["optimizer"]),
            settings["loss"],
            settings["loss_weights"],
            settings["metrics"],
            settings["weighted_metrics"],
        )
        if numbers is not None:
            _restore_optimizer(model, stored, numbers)
    return model


def _restore_optimizer(model: Any, stored: StoredTensors, numbers: Mapping[str, Any]) -> None:
    """Give the optimizer its state back: the tensors of a file, and its plain numbers."""
    names = {name.removeprefix(_OPTIMIZER): name for name in stored if name.startswith(_OPTIMIZER)}
    give_optimizer(model, Renamed(stored, names), numbers)


def _weights(stored: StoredTensors) -> dict[str, tuple[int, ...]]:
    """Return the shapes of those tensors of a file that are weights of the model."""
    shapes = stored.shapes.items()
    return {name: shape for name, shape in shapes if not name.startswith(_OPTIMIZER)}


def _notes(kind: str) -> dict[str, str]:
    return {"kind": kind, "version": __version__}


def _architecture(model: Any) -> Any:
    """Return what rebuilds the model, or None if only the user's code can."""
    if not is_described(model):
        return None
    try:
        return model.get_config()
    except UsageError:
        return None


def _settings(model: Any) -> dict[str, Any] | None:
    """Return what `compile` was given, or None where it was given functions."""
    compiled = model._compiled
    if compiled is None or compiled.optimizer is None:
        return None
    settings = {
        "loss": compiled.objective.given,
        "loss_weights": compiled.objective.loss_weights,
        "metrics": compiled.metrics.given,
        "weighted_metrics": compiled.metrics.weighted,
    }
    try:
        named = {key: _named(value) for key, value in settings.items()}
        return {"optimizer": optimizers.serialize(compiled.optimizer), **named}
    except UsageError:
        return None


def _named(value: Any) -> Any:
    if value is None or isinstance(value, (str, int, float)):
        return value
    if isinstance(value, Mapping):
        return {key: _named(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_named(item) for item in value]
    if isinstance(value, losses.Loss):
        return losses.serialize(value)
    if isinstance(value, metrics.Metric):
        return metrics.serialize(value)
    raise UsageError(f"{value!r} has no name that a file could hold")
