"""Activations that are layers because they have arguments or weights."""

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn import functional as F
from typing_extensions import Unpack

from epochal import activations, constraints, initializers, regularizers
from epochal.core.errors import UsageError
from epochal.layers.base import Layer
from epochal.layers.keywords import LayerKeywords
from epochal.layers.shapes import InputSpec, Shape, known

__all__ = ["ELU", "LeakyReLU", "PReLU", "ReLU", "Softmax"]


class ReLU(Layer):
    """`x` where it is above `threshold`, a line of slope `negative_slope` below.

    Args:
        max_value: Cuts the result off above; `None` for no cut.
        negative_slope: Of the part below the threshold.
        threshold: Where the two parts meet.
        keywords: See `Layer`.

    Raises:
        UsageError: If an argument is negative.

    Example:
        >>> ReLU(max_value=6.0)(torch.tensor([-1.0, 3.0, 9.0]))
        tensor([0., 3., 6.])
    """

    def __init__(
        self,
        max_value: float | None = None,
        negative_slope: float = 0.0,
        threshold: float = 0.0,
        **keywords: Unpack[LayerKeywords],
    ) -> None:
        super().__init__(**keywords)
        # Keras' own configs write "no slope" and "no threshold" as None in older files.
        self.max_value = max_value
        self.negative_slope = negative_slope or 0.0
        self.threshold = threshold or 0.0
        if min(self.max_value or 0.0, self.negative_slope, self.threshold) < 0:
            raise UsageError(
                f"{self.label}: got max_value={max_value}, negative_slope={negative_slope}, "
                f"threshold={threshold}; expected numbers of 0 or more"
            )

    def forward(self, inputs: Tensor) -> Tensor:
        """Return the activation, of the inputs' shape."""
        return activations.relu(inputs, self.negative_slope, self.max_value, self.threshold)


class LeakyReLU(Layer):
    """`x`, its negative part times `negative_slope`.

    Args:
        negative_slope: 0 gives a relu.
        keywords: See `Layer`.

    Raises:
        UsageError: If the slope is negative.

    Example:
        >>> LeakyReLU()(torch.tensor([-1.0, 1.0]))
        tensor([-0.3000,  1.0000])
    """

    def __init__(self, negative_slope: float = 0.3, **keywords: Unpack[LayerKeywords]) -> None:
        super().__init__(**keywords)
        if negative_slope < 0:
            raise UsageError(
                f"{self.label}: got negative_slope={negative_slope}; expected 0 or more"
            )
        self.negative_slope = negative_slope

    def forward(self, inputs: Tensor) -> Tensor:
        """Return the activation, of the inputs' shape."""
        return F.leaky_relu(inputs, self.negative_slope)


class ELU(Layer):
    """`x`, its negative part `alpha * (exp(x) - 1)` (Clevert et al., 2016).

    Args:
        alpha: Minus the value far below zero.
        keywords: See `Layer`.

    Example:
        >>> ELU()(torch.tensor([-1.0, 1.0]))
        tensor([-0.6321,  1.0000])
    """

    def __init__(self, alpha: float = 1.0, **keywords: Unpack[LayerKeywords]) -> None:
        super().__init__(**keywords)
        self.alpha = alpha

    def forward(self, inputs: Tensor) -> Tensor:
        """Return the activation, of the inputs' shape."""
        return F.elu(inputs, self.alpha)


class PReLU(Layer):
    """`x`, its negative part times `alpha`, which is learnt (He et al., 2015).

    Args:
        alpha_initializer: Of the slopes.
        alpha_regularizer: Penalty on the slopes.
        alpha_constraint: Kept by the slopes.
        shared_axes: Axes, counted from 1, along which all places share one slope: `(1, 2)` gives
            images one slope for each channel.
        keywords: See `Layer`.

    Example:
        >>> PReLU(alpha_initializer="ones")(torch.tensor([[-1.0, 1.0]])).tolist()
        [[-1.0, 1.0]]
    """

    weight: Tensor

    def __init__(
        self,
        alpha_initializer: initializers.InitializerLike = "zeros",
        alpha_regularizer: regularizers.RegularizerLike = None,
        alpha_constraint: constraints.ConstraintLike = None,
        shared_axes: int | Sequence[int] | None = None,
        **keywords: Unpack[LayerKeywords],
    ) -> None:
        super().__init__(**keywords)
        self.alpha_initializer = initializers.get(alpha_initializer)
        self.alpha_regularizer = regularizers.get(alpha_regularizer)
        self.alpha_constraint = constraints.get(alpha_constraint)
        axes = (shared_axes,) if isinstance(shared_axes, int) else shared_axes
        self.shared_axes = None if axes is None else tuple(axes)
        self.input_spec = InputSpec(min_ndim=2)

    def build(self, input_shape: Shape) -> None:
        """Make the slopes, one for each place that shares none."""
        shared = self.shared_axes or ()
        axes = range(1, len(input_shape))
        sizes = [1 if axis in shared else known(input_shape, axis, self.label) for axis in axes]
        own = {axis: size for axis, size in zip(axes, sizes, strict=True) if axis not in shared}
        self.input_spec = InputSpec(ndim=len(input_shape), axes=own)
        self.make_weight("alpha", "weight", sizes)
        super().build(input_shape)

    def forward(self, inputs: Tensor) -> Tensor:
        """Return the activation, of the inputs' shape."""
        try:
            return torch.where(inputs > 0, inputs, self.weight * inputs)
        except RuntimeError:
            self.check_tensor(inputs)
            raise


class Softmax(Layer):
    """Probabilities along one axis or several: positive, summing to 1.

    Args:
        axis: One, or several over which they sum to 1 together.
        keywords: See `Layer`.

    Example:
        >>> Softmax()(torch.zeros(1, 4)).tolist()
        [[0.25, 0.25, 0.25, 0.25]]
    """

    def __init__(self, axis: int | Sequence[int] = -1, **keywords: Unpack[LayerKeywords]) -> None:
        super().__init__(**keywords)
        self.axis = axis if isinstance(axis, int) else tuple(axis)

    def forward(self, inputs: Tensor) -> Tensor:
        """Return the probabilities, of the inputs' shape."""
        if isinstance(self.axis, int):
            return torch.softmax(inputs, self.axis)
        return torch.exp(inputs - torch.logsumexp(inputs, self.axis, keepdim=True))
