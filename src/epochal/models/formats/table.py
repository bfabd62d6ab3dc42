"""Which format a path stands for, and the five things that are done with one."""

import os
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal, Never

from epochal.core.errors import UsageError, reject_unknown
from epochal.models.formats.base import Format
from epochal.models.formats.boundary import reading
from epochal.models.formats.epochal_zip import EpochalZip
from epochal.models.formats.keras_zip import KerasZip
from epochal.models.formats.legacy_h5 import LegacyH5
from epochal.models.formats.matching import LeftOut
from epochal.models.formats.safetensors import Safetensors
from epochal.models.formats.weights_h5 import WeightsH5

__all__ = ["check_path", "load_model", "load_weights", "restore", "save_model", "save_weights"]

# The first whose ending fits is taken: longer endings before shorter ones.
_FORMATS: tuple[Format, ...] = (
    Safetensors(),
    KerasZip(),
    EpochalZip(),
    WeightsH5(),
    LegacyH5(),
)

_PICKLES = (".pt", ".pth", ".pkl", ".pickle", ".ckpt", ".bin")


def _format_of(path: Path, call: str) -> Format:
    """Return the format that a path's ending stands for."""
    for known in _FORMATS:
        if path.name.endswith(known.endings):
            return known
    endings = ", ".join(ending for known in _FORMATS for ending in known.endings)
    got = f"ends in {path.suffix}" if path.suffix else "has no ending"
    if path.suffix in _PICKLES:
        got += ", which stands for pickled files: loading one can run any code"
    raise UsageError(f"{call}({str(path)!r}): the path {got}; use one of {endings}")


def _free_to_write(path: Path, overwrite: bool, call: str) -> None:
    if not overwrite and path.exists():
        raise UsageError(
            f"{call}({str(path)!r}): the file exists already, and overwrite is False; "
            "remove it, or choose another name"
        )


def save_weights(model: Any, filepath: str | os.PathLike[str], overwrite: bool) -> None:
    """Write a model's weights in the format of the path's ending."""
    path = Path(filepath)
    kind = _format_of(path, "save_weights")
    _free_to_write(path, overwrite, "save_weights")
    with model.still():
        kind.save_weights(model, path)


def load_weights(model: Any, filepath: str | os.PathLike[str], strict: bool) -> LeftOut:
    """Read a model's weights, from a file of weights or of a whole model."""
    path = Path(filepath)
    kind = _format_of(path, "load_weights")
    call = f"load_weights({str(path)!r})"
    with reading(call), model.still():
        left_out = kind.load_weights(model, path, strict)
    if left_out:
        warnings.warn(f"{call}: {left_out.summary()}", UserWarning, stacklevel=3)
    return left_out


def save_model(model: Any, filepath: str | os.PathLike[str], overwrite: bool) -> None:
    """Write all that rebuilds a model in the format of the path's ending."""
    path = Path(filepath)
    kind = _format_of(path, "save")
    _free_to_write(path, overwrite, "save")
    with model.still():
        kind.save_model(model, path)


def check_path(model: Any, filepath: str | os.PathLike[str], weights_only: bool) -> None:
    """Find out whether a model, or its weights, could be written to a path."""
    path = Path(filepath)
    call = "save_weights" if weights_only else "save"
    kind = _format_of(path, call)
    if weights_only:
        kind.check_weights(path)
    else:
        kind.check_model(model, path)


def restore(model: Any, filepath: str | os.PathLike[str]) -> None:
    """Read a model's weights and its optimizer's state."""
    path = Path(filepath)
    kind = _format_of(path, "restore")
    with reading(f"restore({str(path)!r})"), model.still():
        kind.restore(model, path)


def load_model(
    filepath: str | os.PathLike[str],
    custom_objects: Mapping[str, Any] | None = None,
    compile: bool = True,
    safe_mode: Literal[True] = True,
    **unknown: Never,
) -> Any:
    """Return the model that a file holds: built, with its weights, and compiled if it was.

    No code of the file is run: classes come from epochal and from `custom_objects` alone.

    Args:
        filepath: A file that `Model.save` or Keras wrote.
        custom_objects: Layer classes, losses and metrics of your own by name.
        compile: Whether to compile it with the optimizer's state, loss and metrics of the file,
            where these have names.
        safe_mode: Kept for Keras: there is no other mode.

    Raises:
        UsageError: If the file holds weights alone, or something is wrong with it.

    Example:
        >>> import epochal, tempfile
        >>> from epochal.layers import Dense
        >>> path = f"{tempfile.mkdtemp()}/model.keras"
        >>> epochal.Sequential([Dense(3, input_dim=2)]).save(path)
        >>> load_model(path).predict([[1.0, 2.0]], verbose=0).shape
        (1, 3)
    """
    reject_unknown(load_model, unknown)
    if safe_mode is not True:
        raise UsageError(
            f"load_model: safe_mode is {safe_mode!r}; no code is ever read from a file, so leave "
            "it out, and pass classes and functions of your own as custom_objects"
        )
    path = Path(filepath)
    kind = _format_of(path, "load_model")
    with reading(f"load_model({str(path)!r})"):
        return kind.load_model(path, custom_objects, compile)
