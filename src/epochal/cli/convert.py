"""`python -m epochal convert A B`: a model file in another format."""

import argparse
import importlib
import sys
import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Any

from epochal.core.errors import UsageError
from epochal.models import load_model
from epochal.models.formats.prefixless import save_prefixless
from epochal.storage.atomic import existing_file

if TYPE_CHECKING:
    Commands = argparse._SubParsersAction[argparse.ArgumentParser]

__all__ = ["add_to", "run"]

_WEIGHTS = (".weights.h5", ".weights.hdf5", ".safetensors")


def add_to(commands: "Commands") -> None:
    """Add the command to a parser."""
    parser = commands.add_parser(
        "convert",
        help="write a model file in another format",
        description="Write a model file in the format of another ending: .keras, .h5 and .epochal "
        "hold whole models, .safetensors and .weights.h5 weights alone. A file of weights says "
        "nothing of the model that they belong to: give one with --like.",
    )
    parser.add_argument("source", help="the file to read")
    parser.add_argument("target", help="the file to write; its ending decides the format")
    parser.add_argument("--force", action="store_true", help="replace the target if it exists")
    parser.add_argument(
        "--like", metavar="MODEL", help="a file of the whole model that the weights belong to"
    )
    parser.add_argument(
        "--import",
        dest="modules",
        metavar="MODULE",
        action="append",
        default=[],
        help="a Python module of yours that registers the model's classes (@epochal.register)",
    )
    parser.set_defaults(run=run)


def run(given: argparse.Namespace) -> None:
    """Convert one file.

    Raises:
        UsageError: If the target is there already, or cannot hold what the source holds.
    """
    source, target = existing_file(given.source), Path(given.target)
    if target.exists() and (not given.force or target.samefile(source)):
        same = target.samefile(source)
        advice = "give another name" if same else "remove it, or add --force to replace it"
        raise UsageError(f"convert: {str(target)!r} exists already; {advice}")
    for module in given.modules:
        _import(module)
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        kept = _convert(source, target, given.like)
    for warning in said:
        print(f"note: {warning.message}", file=sys.stderr)
    print(f"{target}: {kept}, from {source}")


def _convert(source: Path, target: Path, like: str | None) -> str:
    """Write the target and return what it holds, in words."""
    weights_alone = target.name.endswith(_WEIGHTS)
    if source.suffix == target.suffix == ".safetensors" and like is None:
        return f"{save_prefixless(source, target)} weights, under names without prefixes"
    model = _model(source, like)
    if weights_alone:
        model.save_weights(target)
        return f"the weights ({model.count_params():,} numbers)"
    model.save(target)
    return f"the whole model ({model.count_params():,} numbers)"


def _model(source: Path, like: str | None) -> Any:
    if like is not None:
        model = load_model(like)
        model.load_weights(source)
        return model
    if source.name.endswith(_WEIGHTS[:2]):
        raise UsageError(
            f"convert: {str(source)!r} holds weights alone, and nothing in it says what model they "
            "belong to: add --like with a file of the whole model, or load_weights in your code"
        )
    try:
        return load_model(source)
    except UsageError as error:
        if "no architecture" not in str(error):
            raise
        raise UsageError(
            f"convert: {error}; or add --like with a file of the whole model"
        ) from error


def _import(name: str) -> None:
    """Import what the user names on the command line; no file ever names a module."""
    try:
        importlib.import_module(name)
    except ImportError as error:
        raise UsageError(
            f"convert: --import {name}: {error}; run it where that module is"
        ) from error
