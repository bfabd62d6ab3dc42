"""Where Keras' files keep each weight, and how weights get there and back.

Keras names groups by the snake-case class of a layer with a counter, not by the layer's name:
`layers/dense/vars/0`, `layers/dense_1/vars/0`. Sub-layers and modules of another kind lie under the
attribute that holds them.
"""

from collections.abc import Iterable, Iterator, Mapping

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from epochal.core.names import snake_case
from epochal.layers import NamedWeight, named_weights
from epochal.models.classes import is_described
from epochal.models.formats.matching import LeftOut, pair
from epochal.models.prefixes import held_by_wrapper
from epochal.storage import H5Dataset

__all__ = ["as_array", "as_tensor", "bytes_of", "pairs", "put", "read_into", "variable_paths"]


def variable_paths(model: nn.Module) -> dict[str, NamedWeight]:
    """Return every weight of a model by the path of its dataset in a Keras file, in Keras' order.

    Example:
        >>> from epochal import Sequential, layers
        >>> model = Sequential([layers.Dense(2, input_dim=3), layers.LayerNormalization()])
        >>> list(variable_paths(model))[1:3]
        ['layers/dense/vars/1', 'layers/layer_normalization/vars/0']
    """
    own: dict[int, list[NamedWeight]] = {}
    for weight in named_weights(model):
        own.setdefault(id(weight.module), []).append(weight)
    return dict(_walk(model, "", own))


def _walk(
    module: nn.Module, path: str, own: dict[int, list[NamedWeight]]
) -> Iterator[tuple[str, NamedWeight]]:
    counts: dict[str, int] = {}
    for weight in own.pop(id(module), []):  # popped: a module in two places counts once
        group, _, _ = weight.weight.name.rpartition("/")
        place = f"{path}{group}/vars" if group else f"{path}vars"
        counts[place] = counts.get(place, -1) + 1
        yield f"{place}/{counts[place]}", weight
    for name, child in module.named_children():
        if is_described(module):
            kind = snake_case(type(child).__name__)
            counts[kind] = counts.get(kind, -1) + 1
            yield from _walk(child, f"{path}layers/{kind}_{counts[kind]}/".replace("_0/", "/"), own)
        elif name == held_by_wrapper(module):
            yield from _walk(child, path, own)
        else:
            yield from _walk(child, f"{path}{name}/", own)


def bytes_of(model: nn.Module) -> int:
    """Return how many bytes a model's weights have in a file."""
    found = named_weights(model)
    tensors = [getattr(w.module, attribute) for w in found for attribute in w.weight.attributes]
    return sum(tensor.nbytes for tensor in tensors)


def as_array(value: Tensor) -> NDArray[np.generic]:
    """Return a tensor as NumPy holds it; bfloat16, which NumPy lacks, as bytes in pairs."""
    value = value.detach().cpu().contiguous()
    if value.dtype == torch.bfloat16:
        return value.view(torch.int16).numpy().view("V2")
    return value.numpy()


def as_tensor(dataset: H5Dataset) -> Tensor:
    """Read a dataset as a tensor."""
    array = dataset.read()
    if dataset.bfloat16:
        return torch.from_numpy(array.view(np.int16)).view(torch.bfloat16)
    if array.dtype.kind == "u" and array.dtype.itemsize > 1:
        array = array.astype(np.int64)  # torch lacks most unsigned kinds
    return torch.from_numpy(array)


def pairs(
    expected: Mapping[str, NamedWeight], found: Mapping[str, H5Dataset], call: str, strict: bool
) -> tuple[list[tuple[NamedWeight, H5Dataset]], LeftOut]:
    """Return the weights of a model with their datasets, and what has no counterpart.

    Raises:
        UsageError: If `strict` is true and something has none, or nothing has one.
    """
    there = {path: dataset.shape for path, dataset in found.items()}
    here = {path: weight.shape for path, weight in expected.items()}
    labels = {path: f"{path} ({weight.path})" for path, weight in expected.items()}
    paired = pair(there, here, call, strict, labels)
    return [(expected[own], found[path]) for own, path in paired.names.items()], paired.left_out


def read_into(paired: Iterable[tuple[NamedWeight, H5Dataset]]) -> None:
    """Read datasets into the weights of a model; all are found whole before the first is written.

    A model without values is filled one by one instead: nobody has seen it yet.
    """
    paired = list(paired)
    if paired and not any(weight.value.is_meta for weight, _ in paired):
        for _, dataset in paired:
            dataset.check()
        for weight, dataset in paired:
            weight.assign(as_tensor(dataset))
        return
    for weight, dataset in paired:
        put(weight, as_tensor(dataset))


@torch.no_grad()
def put(weight: NamedWeight, value: Tensor) -> None:
    """Give a weight that was made without values (on torch's meta device) its first ones."""
    module, record = weight.module, weight.weight
    for attribute, part in zip(record.attributes, record.layout.to_torch(value), strict=True):
        empty = getattr(module, attribute)
        # The strides of the layer: convolutions keep their kernels as their fast path wants them.
        own = torch.empty_strided(empty.size(), empty.stride(), dtype=empty.dtype).copy_(part)
        if isinstance(empty, nn.Parameter):
            own = nn.Parameter(own, requires_grad=empty.requires_grad)
        setattr(module, attribute, own)
