"""`.weights.h5`: Keras' file of weights, optimizer state included; also a member of `.keras`."""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from epochal.core.errors import UsageError
from epochal.layers import NamedWeight
from epochal.models.formats import optimizer_state, variables
from epochal.models.formats.base import Format
from epochal.models.formats.matching import LeftOut
from epochal.storage import H5Dataset, H5Group, open_hdf5, write_hdf5

if TYPE_CHECKING:
    import h5py

__all__ = [
    "WeightsH5",
    "bytes_of",
    "optimizer_of",
    "read_weights",
    "restore_from",
    "write_array",
    "write_weights",
]

_OPTIMIZER = "optimizer/vars/"
# Older versions of Keras 3 kept the state of dropout's generators.
_NO_WEIGHT = re.compile(r"(^|/)seed_generator(_\d+)?/vars/\d+$|^optimizer/|^metrics/")


class WeightsH5(Format):
    """`.weights.h5`."""

    endings = (".weights.h5", ".weights.hdf5")

    def save_weights(self, model: Any, path: Path) -> None:
        """Write the weights, and the optimizer's state where Keras has a place for it."""
        size = bytes_of(model)
        write_hdf5(path, lambda root: write_weights(root, model), size=size, make_folder=True)

    def load_weights(self, model: Any, path: Path, strict: bool) -> LeftOut:
        """Read the weights."""
        with open_hdf5(path) as root:
            return read_weights(root, model, f"load_weights({str(path)!r})", strict)

    def restore(self, model: Any, path: Path) -> None:
        """Read the weights and the optimizer's state."""
        call = f"restore({str(path)!r})"
        with open_hdf5(path) as root:
            restore_from(root, model, call)


def bytes_of(model: Any) -> int:
    """Return how many bytes a model's weights and its optimizer's state have in a file."""
    return variables.bytes_of(model) + optimizer_state.bytes_of(model)


def write_weights(root: "h5py.File", model: Any) -> None:
    """Write a model's weights, and its optimizer's state, into an open file."""
    for path, weight in variables.variable_paths(model).items():
        write_array(root, path, variables.as_array(weight.value))
    if model.optimizer is None:
        return
    try:
        state = optimizer_state.variables_of(model)
    except UsageError:
        return  # of no optimizer of Keras; what describes the model has said so
    for index, (_, value) in enumerate(state):
        write_array(root, f"{_OPTIMIZER}{index}", variables.as_array(value))


def write_array(root: "h5py.Group", path: str, array: Any) -> None:
    """Write one array; bfloat16 is marked as Keras marks it."""
    dataset = root.create_dataset(path, data=array)
    if array.dtype.kind == "V":
        dataset.attrs["dtype"] = "bfloat16"


def read_weights(root: H5Group, model: Any, call: str, strict: bool = True) -> LeftOut:
    """Read all weights from an open file, or raise one error that lists every difference."""
    pairs, left_out = _pairs(root, model, call, strict)
    variables.read_into(pairs)
    return left_out


def restore_from(root: H5Group, model: Any, call: str) -> None:
    """Read weights and optimizer state from an open file, both or none."""
    pairs, _ = _pairs(root, model, call)
    if model.optimizer is not None:
        optimizer_state.restore_variables(model, optimizer_of(root), call)
    variables.read_into(pairs)


def _pairs(
    root: H5Group, model: Any, call: str, strict: bool = True
) -> tuple[list[tuple[NamedWeight, H5Dataset]], LeftOut]:
    expected = variables.variable_paths(model)
    found = {dataset.path.strip("/"): dataset for dataset in root.datasets()}
    weights: Mapping[str, H5Dataset] = {
        path: dataset
        for path, dataset in found.items()
        if path in expected or not _NO_WEIGHT.search(path)
    }
    return variables.pairs(expected, weights, call, strict)


def optimizer_of(root: H5Group) -> list[Any]:
    """Return the optimizer's variables of an open file, in their order; none if it has none."""
    group = root.get(_OPTIMIZER.strip("/"))
    if not isinstance(group, H5Group):
        return []
    names = sorted((name for name in group if name.isdecimal()), key=int)
    return [variables.as_tensor(group.dataset(name)) for name in names]
