"""Normalization of each sample by itself: over its last axes, or over groups of channels."""

from collections.abc import Sequence
from typing import ClassVar

import torch
from torch import Tensor
from torch.nn import functional as F
from typing_extensions import Unpack

from epochal import constraints, initializers, regularizers
from epochal.core.errors import UsageError
from epochal.layers.base import Layer
from epochal.layers.keywords import LayerKeywords, Unsupported
from epochal.layers.shapes import InputSpec, Shape, check_count, known

__all__ = ["GroupNormalization", "LayerNormalization"]


class LayerNormalization(Layer):
    """Gives every sample mean 0 and variance 1 along `axis` (Ba et al., 2016).

    Over the last axes its `state_dict` is that of `nn.LayerNorm`.

    Args:
        axis: One axis or several.
        epsilon: Added to the variance.
        center: Whether `beta` is added.
        scale: Whether the result is multiplied by `gamma`.
        beta_initializer: Of the offset.
        gamma_initializer: Of the factor.
        beta_regularizer: Penalty on the offset.
        gamma_regularizer: Penalty on the factor.
        beta_constraint: Kept by the offset.
        gamma_constraint: Kept by the factor.
        keywords: See `Layer`.

    Raises:
        UsageError: If the input does not have these axes, or another size than before.

    Example:
        >>> import torch
        >>> LayerNormalization(epsilon=0.0)(torch.tensor([[1.0, 3.0]])).tolist()
        [[-1.0, 1.0]]
    """

    unsupported: ClassVar[Unsupported] = {
        "rms_scaling": (False, "it leaves the mean in; write that as a Layer of your own")
    }
    weight: Tensor | None
    bias: Tensor | None

    def __init__(
        self,
        axis: int | Sequence[int] = -1,
        epsilon: float = 0.001,
        center: bool = True,
        scale: bool = True,
        beta_initializer: initializers.InitializerLike = "zeros",
        gamma_initializer: initializers.InitializerLike = "ones",
        beta_regularizer: regularizers.RegularizerLike = None,
        gamma_regularizer: regularizers.RegularizerLike = None,
        beta_constraint: constraints.ConstraintLike = None,
        gamma_constraint: constraints.ConstraintLike = None,
        **keywords: Unpack[LayerKeywords],
    ) -> None:
        super().__init__(**keywords)
        self.axis = axis if isinstance(axis, int) else tuple(axis)
        self.epsilon, self.center, self.scale = epsilon, center, scale
        self.beta_initializer = initializers.get(beta_initializer)
        self.gamma_initializer = initializers.get(gamma_initializer)
        self.beta_regularizer = regularizers.get(beta_regularizer)
        self.gamma_regularizer = regularizers.get(gamma_regularizer)
        self.beta_constraint = constraints.get(beta_constraint)
        self.gamma_constraint = constraints.get(gamma_constraint)
        self._axes: tuple[int, ...] = ()
        self._sizes: tuple[int, ...] = ()
        self._last = True  # whether the normalised axes are the last ones
        self.register_parameter("weight", None)
        self.register_parameter("bias", None)

    def build(self, input_shape: Shape) -> None:
        """Make the factor and the offset, of the sizes of the normalised axes."""
        rank = len(input_shape)
        axes = (self.axis,) if isinstance(self.axis, int) else self.axis
        if not axes or any(not -rank <= axis < rank for axis in axes):
            raise UsageError(
                f"{self.label}: got input of shape {tuple(input_shape)}; expected one that has "
                f"axis={self.axis}"
            )
        self._axes = tuple(sorted(axis % rank for axis in axes))
        sizes = tuple(known(input_shape, axis, self.label) for axis in self._axes)
        own = dict(zip(self._axes, sizes, strict=True))
        # Axes at the end are counted from the end, so that inputs of another rank still fit.
        if self._axes == tuple(range(rank - len(sizes), rank)):
            own = {axis - rank: size for axis, size in own.items()}
        self.input_spec = InputSpec(min_ndim=len(sizes), axes=own)
        self._sizes = sizes
        self._last = min(own) < 0
        if self.scale:
            self.make_weight("gamma", "weight", sizes)
        if self.center:
            self.make_weight("beta", "bias", sizes)
        super().build(input_shape)

    def forward(self, inputs: Tensor) -> Tensor:
        """Return the normalised inputs, of the same shape."""
        end = tuple(range(-len(self._sizes), 0))
        try:
            x = inputs if self._last else inputs.movedim(self._axes, end)
            outputs = F.layer_norm(x, self._sizes, self.weight, self.bias, self.epsilon)
        except (RuntimeError, IndexError):
            self.check_tensor(inputs)
            raise
        return outputs if self._last else outputs.movedim(end, self._axes)


class GroupNormalization(Layer):
    """Gives every group of a sample's channels mean 0 and variance 1 (Wu & He, 2018).

    Its `state_dict` is that of `nn.GroupNorm`.

    Args:
        groups: Number of groups; -1 for one for each channel.
        axis: Of the channels.
        epsilon: Added to the variance.
        center: Whether `beta` is added.
        scale: Whether the result is multiplied by `gamma`.
        beta_initializer: Of the offset.
        gamma_initializer: Of the factor.
        beta_regularizer: Penalty on the offset.
        gamma_regularizer: Penalty on the factor.
        beta_constraint: Kept by the offset.
        gamma_constraint: Kept by the factor.
        keywords: See `Layer`.

    Raises:
        UsageError: If the channels cannot be divided into that many groups.

    Example:
        >>> import torch
        >>> GroupNormalization(2)(torch.zeros(1, 4, 4, 6)).shape
        torch.Size([1, 4, 4, 6])
    """

    weight: Tensor | None
    bias: Tensor | None

    def __init__(
        self,
        groups: int = 32,
        axis: int = -1,
        epsilon: float = 0.001,
        center: bool = True,
        scale: bool = True,
        beta_initializer: initializers.InitializerLike = "zeros",
        gamma_initializer: initializers.InitializerLike = "ones",
        beta_regularizer: regularizers.RegularizerLike = None,
        gamma_regularizer: regularizers.RegularizerLike = None,
        beta_constraint: constraints.ConstraintLike = None,
        gamma_constraint: constraints.ConstraintLike = None,
        **keywords: Unpack[LayerKeywords],
    ) -> None:
        super().__init__(**keywords)
        self.groups = groups if groups == -1 else check_count(groups, "groups", self.label)
        self.axis, self.epsilon, self.center, self.scale = axis, epsilon, center, scale
        self.beta_initializer = initializers.get(beta_initializer)
        self.gamma_initializer = initializers.get(gamma_initializer)
        self.beta_regularizer = regularizers.get(beta_regularizer)
        self.gamma_regularizer = regularizers.get(gamma_regularizer)
        self.beta_constraint = constraints.get(beta_constraint)
        self.gamma_constraint = constraints.get(gamma_constraint)
        self.input_spec = InputSpec(min_ndim=2)
        self.register_parameter("weight", None)
        self.register_parameter("bias", None)

    def build(self, input_shape: Shape) -> None:
        """Make the factor and the offset, one of each for every channel."""
        size = known(input_shape, self.axis, self.label)
        if size % (size if self.groups == -1 else self.groups):
            raise UsageError(
                f"{self.label}: got {size} channels; expected a multiple of groups={self.groups}"
            )
        self.input_spec = InputSpec(min_ndim=2, axes={self.axis: size})
        if self.scale:
            self.make_weight("gamma", "weight", (size,))
        if self.center:
            self.make_weight("beta", "bias", (size,))
        super().build(input_shape)

    def forward(self, inputs: Tensor) -> Tensor:
        """Return the normalised inputs, of the same shape."""
        try:
            x = inputs.movedim(self.axis, 1)
            if not x.requires_grad and torch.is_grad_enabled() and not x.is_contiguous():
                # As the first layer: torch's backward for channels-last images writes a gradient
                # of the input that nobody asked for, to nowhere, and the process dies (2.13, CPU).
                x = x.contiguous()
            groups = x.shape[1] if self.groups == -1 else self.groups
            # Without a weight torch finds no gradient of the bias alone ("no device", 2.13).
            bias = None if self.weight is None else self.bias
            outputs = F.group_norm(x, groups, self.weight, bias, self.epsilon)
            if self.bias is not None and self.weight is None:
                outputs = outputs + self.bias.view(-1, *(1,) * (x.ndim - 2))
        except (RuntimeError, IndexError):
            self.check_tensor(inputs)
            raise
        return outputs.movedim(1, self.axis)
