"""What shape comes out of a module, found without touching its weights or any random number."""

import copy
from typing import Any

import torch
from torch import Tensor, nn

from epochal.core.errors import UsageError
from epochal.layers.shapes import Shape, map_shapes, shapes_of

__all__ = ["merge_shapes", "output_shape", "without_values"]

# Two sizes that stand for an unknown one: far enough apart for strides up to 64 to tell, and
# larger than any usual kernel.
_UNKNOWN = (128, 192)


def output_shape(module: nn.Module, input_shape: Any, dtype: torch.dtype = torch.float32) -> Any:
    """Return the shape a module makes of an input's, batch axis included; `None` stays `None`.

    A copy of the module without values runs on inputs without values (torch's meta device). Only
    if the module looks at values, a copy runs on zeros instead; its lazily made weights are then
    drawn, and torch's generator is put back to where it was.

    Args:
        module: Any module, built or not; it is left as it is.
        input_shape: A shape, or nested dicts, lists and tuples of shapes.
        dtype: Of the inputs.

    Raises:
        UsageError: If the module cannot take such an input.

    Example:
        >>> output_shape(nn.Linear(3, 5), (None, 7, 3))
        (None, 7, 5)
    """
    sizes: list[int | None] = []
    map_shapes(sizes.extend, input_shape)
    first = _run(module, input_shape, dtype, _UNKNOWN[0])
    if None not in sizes:
        return first
    return merge_shapes(first, _run(module, input_shape, dtype, _UNKNOWN[1]))


def _run(module: nn.Module, shapes: Any, dtype: torch.dtype, unknown: int) -> Any:
    def inputs(device: str) -> Any:
        def make(shape: Shape) -> Tensor:
            sizes = [unknown if size is None else size for size in shape]
            return torch.zeros(sizes, dtype=dtype, device=device)

        return map_shapes(make, shapes)

    tensors = [*module.parameters(), *module.buffers()]
    with torch.no_grad():
        try:
            return shapes_of(without_values(module)(inputs("meta")))
        except UsageError:
            raise
        except (RuntimeError, TypeError):
            # Either the shape is wrong or the module needs values; the run on zeros tells which,
            # and its error speaks of the user's own code. In eval mode nothing writes to the
            # weights, so the copy can share them.
            shared = {id(tensor): tensor for tensor in tensors}
            copied = copy.deepcopy(module, shared).eval()
            with torch.random.fork_rng(devices=[]):
                return shapes_of(copied(inputs("cpu")))


def without_values(module: nn.Module) -> nn.Module:
    """Return a copy of a module in eval mode that has shapes and no values, and takes no memory.

    Example:
        >>> without_values(nn.Linear(3, 5))(torch.empty(2, 3, device="meta")).shape
        torch.Size([2, 5])
    """
    tensors = [*module.parameters(), *module.buffers()]
    # Telling `deepcopy` that the copies are already made keeps it from copying any value.
    valueless: dict[int, Any] = {id(tensor): tensor.detach().to("meta") for tensor in tensors}
    return copy.deepcopy(module, valueless).eval()


def merge_shapes(first: Any, second: Any) -> Any:
    """Return `first` with `None` for each size that is not the same in `second`."""
    flat = []

    def one(shape: Shape) -> None:
        flat.append(shape)

    map_shapes(one, second)
    others = iter(flat)
    return map_shapes(
        lambda shape: tuple(
            size if size == other else None for size, other in zip(shape, next(others), strict=True)
        ),
        first,
    )
