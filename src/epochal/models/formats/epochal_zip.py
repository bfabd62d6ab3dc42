"""`.epochal`: a whole model around modules of any kind, as safetensors and JSON in an archive."""

import warnings
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import torch

from epochal.core.errors import Problems, UsageError
from epochal.core.trees import map_leaves
from epochal.core.version import __version__
from epochal.models.formats import module_trees, torch_objects
from epochal.models.formats.base import Format
from epochal.models.formats.boundary import check_size
from epochal.models.formats.compile_settings import compile_from, compile_settings
from epochal.models.formats.filling import fill, is_made
from epochal.models.formats.matching import LeftOut, pair
from epochal.models.formats.named_tensors import assign, give_optimizer, optimizer_state, tensors_of
from epochal.models.registering import registered
from epochal.storage import Archive, StoredTensors, open_archive, write_archive
from epochal.storage.exact_json import decode_exact, encode_exact
from epochal.storage.tensor_bytes import TensorBytes, check_tensors
from epochal.training.dry_run import choose_passing, unbuilt

__all__ = ["EpochalZip"]

_ABOUT, _WEIGHTS, _OPTIMIZER = "epochal.json", "weights.safetensors", "optimizer.safetensors"
_FORMAT = 1
_LARGEST_INPUT = 2**26


class EpochalZip(Format):
    """`.epochal`."""

    endings = (".epochal",)

    def check_model(self, model: Any, path: Path) -> None:
        """Refuse a model that only the user's code can make."""
        _described(model, f"save({str(path)!r})")

    def save_model(self, model: Any, path: Path) -> None:
        """Write what makes the model, its weights, optimizer state and compile settings."""
        call = f"save({str(path)!r})"
        weights = tensors_of(model)
        state, numbers = optimizer_state(model)
        problems = Problems(call)
        check_tensors(problems, {**weights, **state})
        problems.raise_if_any()
        about = {
            "format": _FORMAT,
            "version": __version__,
            "model": _described(model, call),
            "inputs": _shapes(model),
            "frozen": [name for name, p in model.named_parameters() if not p.requires_grad],
            "compile": _settings(model, call),
            "optimizer": numbers,
        }
        members: dict[str, Any] = {_ABOUT: encode_exact(about, f"{call}: the description")}
        members[_WEIGHTS] = TensorBytes(weights, {"kind": "weights"}, hashed=True)
        if numbers is not None:
            members[_OPTIMIZER] = TensorBytes(state, {"kind": "optimizer"}, hashed=True)
        write_archive(path, members, make_folder=True)

    def save_weights(self, model: Any, path: Path) -> None:
        """Refuse: such a file is of a whole model."""
        del model
        self.check_weights(path)

    def check_weights(self, path: Path) -> None:
        """Refuse: such a file is of a whole model."""
        raise UsageError(
            f"save_weights({str(path)!r}): an .epochal file holds a whole model: use save, or a "
            "path that ends in .safetensors"
        )

    def load_model(
        self, path: Path, custom_objects: Mapping[str, Any] | None, compile: bool
    ) -> Any:
        """Return the model that a file holds."""
        call = f"load_model({str(path)!r})"
        known = {**registered(), **(custom_objects or {})}
        with open_archive(path) as archive:
            about = _about(archive, path)
            check_size(about["model"], call)
            # Making a model draws numbers for weights that are replaced at once.
            with torch.random.fork_rng(devices=[]):
                model = _made(about, _stored(archive, _WEIGHTS), known, call)
            frozen = set(about["frozen"])
            for name, parameter in model.named_parameters():
                parameter.requires_grad_(name not in frozen)
            settings = about["compile"]
            if compile and settings is not None:
                compile_from(
                    model,
                    settings,
                    {**torch_objects.makers(), **known},
                    call,
                    settings["mixed_precision"],
                    jit_compile=settings["jit_compile"],
                    auto_scale_loss=settings["auto_scale_loss"],
                )
                _restore_optimizer(archive, about, model)
        return model

    def load_weights(self, model: Any, path: Path, strict: bool) -> LeftOut:
        """Read the weights alone."""
        with open_archive(path) as archive:
            stored = _stored(archive, _WEIGHTS)
            return assign(model, stored, f"load_weights({str(path)!r})", strict)

    def restore(self, model: Any, path: Path) -> None:
        """Read the weights, and the optimizer's state if the file and the model have one."""
        with open_archive(path) as archive:
            about = _about(archive, path)

            def give() -> None:
                if model.optimizer is not None:
                    _restore_optimizer(archive, about, model)

            assign(model, _stored(archive, _WEIGHTS), f"restore({str(path)!r})", before=give)


def _described(model: Any, call: str) -> dict[str, Any]:
    try:
        return module_trees.describe(model)
    except UsageError as error:
        raise UsageError(f"{call}: {error}") from error


def _about(archive: Archive, path: Path) -> dict[str, Any]:
    if _ABOUT not in archive.names or _WEIGHTS not in archive.names:
        raise UsageError(f"{str(path)!r} is no .epochal file: it lacks {_ABOUT} or {_WEIGHTS}")
    about: dict[str, Any] = decode_exact(archive.read(_ABOUT), f"{_ABOUT} of {str(path)!r}")
    if about["format"] != _FORMAT:
        raise UsageError(
            f"{str(path)!r} has format {about['format']!r}, and this version of epochal knows "
            f"{_FORMAT}; use a newer one"
        )
    return about


def _stored(archive: Archive, name: str) -> StoredTensors:
    """Return the tensors of a member: checked by their own hashes, or by zip's where they lack."""
    stored = StoredTensors(archive.span(name, check=False))
    return stored if stored.hashed else StoredTensors(archive.span(name))


def _made(
    about: Mapping[str, Any], stored: StoredTensors, known: Mapping[str, Any], call: str
) -> Any:
    """Return the model with the weights of the file.

    First without values (on torch's meta device): a description may ask for a terabyte that the
    file does not hold. Classes of the caller's own are then made once more, for what they keep
    beside their weights.
    """
    from epochal.models.model import Model  # which imports this package

    def make() -> Any:
        made = module_trees.make(about["model"], known, Model)
        model = made if isinstance(made, Model) else Model(made)
        _see_inputs(model, about["inputs"])
        return model

    own = module_trees.holds_own(about["model"])
    model = _without_values(make, trusted=own)
    shapes = {name: tuple(tensor.shape) for name, tensor in model.state_dict().items()}
    pair(stored.shapes, shapes, call)
    stored.verify()
    if own or not is_made(model, stored):
        model = make()
    fill(model, stored)
    if about["inputs"] is not None:
        model.note_inputs(_zeros(about["inputs"]))  # those before may have no values
    device = torch.get_default_device()
    return model if device.type == "cpu" else model.to(device)


def _without_values(make: Callable[[], Any], *, trusted: bool) -> Any:
    try:
        with torch.device("meta"):
            return make()
    except UsageError:
        raise
    except Exception:
        if not trusted:
            raise
        return make()  # classes of the caller's own may need values in their constructor


def _shapes(model: Any) -> Any:
    """Return what inputs look like, one row of them, if the model has seen any."""
    sample = model._seen
    if sample is None:
        return None
    return map_leaves(lambda leaf: {"shape": list(leaf.shape), "dtype": str(leaf.dtype)}, sample)


def _see_inputs(model: Any, described: Any) -> None:
    """Show a model one row of inputs: layers that wait for them make their weights."""
    if described is None:
        return
    x = _zeros(described)
    model.note_inputs(x)
    if not unbuilt(model):
        return
    bare, problems = model._compiled_or_bare(), Problems("the model's inputs")
    choose_passing(bare, x, problems)
    problems.raise_if_any()
    training = model.training
    with torch.no_grad():
        model.eval()
        bare.forward(x)
        model.train(training)


def _zeros(described: Any) -> Any:
    if isinstance(described, (list, tuple)):
        return type(described)(_zeros(item) for item in described)
    if set(described) != {"shape", "dtype"}:
        return {key: _zeros(item) for key, item in described.items()}
    shape = torch.Size(described["shape"])
    if shape.numel() > _LARGEST_INPUT:
        raise UsageError(f"one row of the inputs is said to have {shape.numel():,} numbers")
    return torch.zeros(shape, dtype=module_trees.DTYPES[described["dtype"].removeprefix("torch.")])


def _settings(model: Any, call: str) -> dict[str, Any] | None:
    """Return how the model is compiled, or say that this cannot be kept."""
    try:
        settings = compile_settings(model, torch_objects=True)
    except UsageError as error:
        warnings.warn(
            f"{call}: the file will hold no compile settings: {error}; compile the loaded model "
            "and call restore, which brings weights and the optimizer's state back",
            UserWarning,
            stacklevel=5,
        )
        return None
    if settings is None:
        return None
    execution, optimizer = model._compiled.execution, model.optimizer
    precision = execution.precision
    return settings | {
        "jit_compile": True if execution.jit else "auto",
        "mixed_precision": None if precision is None else str(precision).removeprefix("torch."),
        "auto_scale_loss": precision is not torch.float16 or optimizer.scales_by_itself,
    }


def _restore_optimizer(archive: Archive, about: Mapping[str, Any], model: Any) -> None:
    numbers = about["optimizer"]
    if numbers is None:
        return
    stored = _stored(archive, _OPTIMIZER)
    stored.verify()
    give_optimizer(model, stored, numbers)
