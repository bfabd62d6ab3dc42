"""What TensorBoard shows of a model's weights: their paths, and how each is seen as pictures."""

from typing import Any

import numpy as np
from torch import Tensor, nn

from epochal.callbacks.tensorboard_events import EventWriter, as_bytes
from epochal.core.names import snake_case
from epochal.layers.weights import NamedWeight, named_weights

__all__ = ["model_name", "write_weights"]

_PICTURES = 16  # of one weight; a wide layer has thousands of channels


def model_name(model: Any) -> str:
    """Return what stands first in every path: the model's name, as Keras has it."""
    name = getattr(model, "name", None)  # a `Sequential` has one, a user's own class perhaps not
    if isinstance(name, str) and name:
        return name
    inner = model.wrapped
    return snake_case(type(model if inner is model else inner).__name__)


def write_weights(writer: EventWriter, model: Any, step: int, *, images: bool) -> None:
    """Write a histogram of every weight, and pictures of those that can be seen as such.

    Args:
        writer: Where to.
        model: Whose weights.
        step: The epoch.
        images: Whether to write pictures.
    """
    prefix = model_name(model)
    for weight in named_weights(model.wrapped):
        value = _array(weight.value)
        path = f"{prefix}/{weight.path}"
        writer.histogram(f"{path}/histogram", value, step)
        pictures = as_pictures(_keras_layout(weight, value)) if images else []
        if pictures:
            writer.images(f"{path}/image", pictures, step)


def as_pictures(weight: np.ndarray[Any, Any]) -> list[np.ndarray[Any, Any]]:
    """Return a weight in Keras' layout as pictures, (height, width, channels), at most 16.

    A vector is one column; a matrix one picture, wider than high; a kernel one picture for each
    filter. What has more axes cannot be shown: no picture.

    Example:
        >>> [picture.shape for picture in as_pictures(np.zeros((3, 3, 1, 2)))]
        [(3, 3, 1), (3, 3, 1)]
        >>> [picture.shape for picture in as_pictures(np.zeros((5, 2)))]
        [(2, 5, 1)]
    """
    values = np.squeeze(weight)
    if not values.size:
        return []
    shown = as_bytes(values)
    if shown.ndim == 1:
        return [shown[:, None, None]]
    if shown.ndim == 2:
        return [(shown.T if shown.shape[0] > shown.shape[1] else shown)[..., None]]
    if shown.ndim == 3:
        return [shown[..., i, None] for i in range(min(shown.shape[-1], _PICTURES))]
    if shown.ndim == 4 and shown.shape[2] in (3, 4):
        return [shown[..., i] for i in range(min(shown.shape[-1], _PICTURES))]
    return []


def _keras_layout(weight: NamedWeight, value: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """Return a plain torch convolution's kernel with its filters last, as our layers' are."""
    if value.ndim == 4 and isinstance(weight.module, nn.Conv2d):
        return value.transpose(2, 3, 1, 0)
    return value


def _array(value: Tensor) -> np.ndarray[Any, Any]:
    array: np.ndarray[Any, Any] = value.detach().float().cpu().numpy()
    return array
