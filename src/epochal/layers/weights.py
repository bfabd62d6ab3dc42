"""Weights in two layouts: torch's, in which they are kept, and Keras', in which they are exchanged.

A layer keeps its weights in torch's own layout under torch's own names, so its `state_dict` is that
of the torch layer. For each weight it also records one `Weight`: Keras' name, the attributes that
hold it and the `Layout` between the two. `get_weights`, `set_weights`, parameter counts,
regularizers, constraints and the Keras file formats all read that one record.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import torch
from torch import Tensor, nn

from epochal.core.errors import Problems

__all__ = [
    "AS_IS",
    "TRANSPOSED",
    "AsIs",
    "Layout",
    "NamedWeight",
    "Permuted",
    "Weight",
    "get_arrays",
    "named_weights",
    "set_arrays",
]


class Layout(Protocol):
    """How one Keras weight lies in one or more torch tensors."""

    def to_keras(self, *tensors: Tensor) -> Tensor:
        """Return Keras' weight; a view or something gradients flow through."""
        ...

    def to_torch(self, value: Tensor) -> tuple[Tensor, ...]:
        """Return torch's tensors, one for each attribute."""
        ...


@dataclass(frozen=True)
class AsIs:
    """The same in both."""

    def to_keras(self, *tensors: Tensor) -> Tensor:
        """Return the tensor itself."""
        return tensors[0]

    def to_torch(self, value: Tensor) -> tuple[Tensor, ...]:
        """Return the value itself."""
        return (value,)


@dataclass(frozen=True)
class Permuted:
    """Keras' axes are torch's in another order: axis `i` of Keras is axis `axes[i]` of torch."""

    axes: tuple[int, ...]

    def to_keras(self, *tensors: Tensor) -> Tensor:
        """Return the permuted view."""
        return tensors[0].permute(self.axes)

    def to_torch(self, value: Tensor) -> tuple[Tensor, ...]:
        """Return the value with its axes as torch has them."""
        return (value.permute(tuple(int(axis) for axis in np.argsort(self.axes))),)


AS_IS = AsIs()
TRANSPOSED = Permuted((1, 0))


@dataclass(frozen=True)
class Weight:
    """One weight of a layer, as Keras names it and as torch keeps it.

    Args:
        name: Keras' name; a part before a slash is the group that Keras' files put it in.
        attributes: The layer's attributes that hold it.
        layout: Between the two.
        trainable: Whether it is trained while the layer is.
        regularizer: Of the value in Keras' layout.
        constraint: Of the value in Keras' layout.
    """

    name: str
    attributes: tuple[str, ...]
    layout: Layout = AS_IS
    trainable: bool = True
    regularizer: Callable[[Tensor], Tensor] | None = None
    constraint: Callable[[Tensor], Tensor] | None = None

    def value(self, module: nn.Module) -> Tensor:
        """Return the weight in Keras' layout, connected to the parameters."""
        return self.layout.to_keras(*(getattr(module, name) for name in self.attributes))

    @torch.no_grad()
    def assign(self, module: nn.Module, value: Tensor) -> None:
        """Write a value in Keras' layout into the module's tensors."""
        for name, part in zip(self.attributes, self.layout.to_torch(value), strict=True):
            getattr(module, name).copy_(part)

    def constrain(self, module: nn.Module) -> None:
        """Replace the weight by the nearest one its constraint allows."""
        if self.constraint is not None:
            with torch.no_grad():
                self.assign(module, self.constraint(self.value(module)))


@dataclass(frozen=True)
class NamedWeight:
    """A weight found in a tree of modules, with the path that leads to it."""

    path: str
    module: nn.Module
    weight: Weight

    @property
    def value(self) -> Tensor:
        """The value in Keras' layout, detached: a view where the layout allows it."""
        return self.weight.value(self.module).detach()

    @property
    def shape(self) -> tuple[int, ...]:
        """The shape in Keras' layout."""
        return tuple(self.value.shape)

    @property
    def trainable(self) -> bool:
        """Whether gradients reach it: it is no average, and neither it nor its layer is frozen."""
        tensors = (getattr(self.module, name) for name in self.weight.attributes)
        return any(tensor.requires_grad for tensor in tensors)

    def assign(self, value: Tensor) -> None:
        """Write a value in Keras' layout."""
        self.weight.assign(self.module, value)


def named_weights(module: nn.Module) -> list[NamedWeight]:
    """Return every weight under `module` in Keras' order, each once.

    A Keras-style layer lists what it recorded; of a plain torch module every parameter and saved
    buffer counts, in torch's own layout.

    Example:
        >>> [(w.path, w.shape) for w in named_weights(nn.Sequential(nn.Linear(2, 3)))]
        [('0/weight', (3, 2)), ('0/bias', (3,))]
    """
    return list(_walk(module, "", set()))


def _walk(module: nn.Module, prefix: str, seen: set[int]) -> Iterator[NamedWeight]:
    if id(module) in seen:
        return
    seen.add(id(module))
    recorded: list[Weight] = module.keras_weights() if isinstance(module, HasWeights) else []
    taken = {name for weight in recorded for name in weight.attributes}
    own = (name for name in _tensor_names(module) if name not in taken)
    for weight in (*recorded, *(Weight(name, (name,)) for name in own)):
        tensors = [getattr(module, name) for name in weight.attributes]
        if any(id(tensor) not in seen for tensor in tensors):  # a tied weight counts once
            seen.update(map(id, tensors))
            yield NamedWeight(f"{prefix}{weight.name}", module, weight)
    for name, child in module.named_children():
        yield from _walk(child, f"{prefix}{name}/", seen)


def _tensor_names(module: nn.Module) -> Iterator[str]:
    for name, tensor in (*module._parameters.items(), *module._buffers.items()):
        if tensor is not None and name not in module._non_persistent_buffers_set:
            yield name


class HasWeights:
    """What a module inherits to say how its weights are exchanged with Keras."""

    def keras_weights(self) -> list[Weight]:
        """Return the module's own weights, without those of its sub-layers, in Keras' order."""
        raise NotImplementedError


def get_arrays(module: nn.Module) -> list[np.ndarray[Any, Any]]:
    """Return copies of all weights under `module`, in Keras' order and layout."""
    arrays = []
    for weight in named_weights(module):
        value = weight.value.cpu()
        # NumPy has no bfloat16; float32 holds each of its values exactly.
        value = value.float() if value.dtype == torch.bfloat16 else value
        arrays.append(np.array(value.numpy()))
    return arrays


def set_arrays(module: nn.Module, arrays: Sequence[Any], call: str) -> None:
    """Write weights in Keras' order and layout, or change nothing.

    Args:
        module: Whose weights are written.
        arrays: One for each weight, as `get_arrays` returns them.
        call: Named in the error.

    Raises:
        UsageError: If the number of arrays or a shape differs; nothing has been changed then.
    """
    weights = named_weights(module)
    problems = Problems(call)
    if len(arrays) != len(weights):
        expected = ", ".join(f"{w.path} {w.shape}" for w in weights) or "none"
        problems.add(f"got {len(arrays)} arrays; expected {len(weights)}: {expected}")
        problems.raise_if_any()
    values = [torch.as_tensor(np.asarray(array)) for array in arrays]
    for weight, value in zip(weights, values, strict=True):
        if tuple(value.shape) != weight.shape:
            problems.add(f"{weight.path}: got shape {tuple(value.shape)}; expected {weight.shape}")
    problems.raise_if_any()
    for weight, value in zip(weights, values, strict=True):
        weight.assign(value)
