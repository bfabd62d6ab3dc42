"""Convolutions that filter each channel by itself."""

from collections.abc import Sequence
from dataclasses import dataclass

from torch import Tensor
from torch.nn import functional as F
from typing_extensions import Unpack

from epochal import activations, constraints, initializers, regularizers
from epochal.layers.convolution import KERNEL_LAYOUTS, SlidingKernel
from epochal.layers.images import MEMORY_FORMATS, to_channels_first, to_channels_last
from epochal.layers.keywords import LayerKeywords
from epochal.layers.registry import get_activation
from epochal.layers.shapes import Shape, check_count

__all__ = ["DepthwiseConv2D", "SeparableConv2D"]


@dataclass(frozen=True)
class ChannelFilters:
    """Keras' `(rows, columns, channels, multiplier)`, torch's `(channels * multiplier, 1, ...)`."""

    multiplier: int

    def to_keras(self, *tensors: Tensor) -> Tensor:
        """Return Keras' weight."""
        rows, columns = tensors[0].shape[2:]
        by_channel = tensors[0].reshape(-1, self.multiplier, rows, columns)
        return by_channel.permute(2, 3, 0, 1)

    def to_torch(self, value: Tensor) -> tuple[Tensor, ...]:
        """Return torch's weight."""
        return (value.permute(2, 3, 0, 1).flatten(0, 1).unsqueeze(1),)


class DepthwiseConv2D(SlidingKernel):
    """A convolution that filters each channel by itself.

    Its `state_dict` is that of `nn.Conv2d` with as many groups as channels.

    Args:
        kernel_size: One size for both axes, or one for each.
        strides: Step of the kernel.
        padding: `"valid"` or `"same"`, see `Conv2D`.
        depth_multiplier: Number of filters for each channel.
        data_format: `"channels_last"` or `"channels_first"`.
        dilation_rate: Distance between the values that the kernel touches.
        activation: A name, function or module; `None` for none.
        use_bias: Whether a bias is added.
        depthwise_initializer: Of the kernel `(rows, columns, channels, multiplier)`.
        bias_initializer: Of the bias `(channels * multiplier,)`.
        depthwise_regularizer: Penalty on the kernel.
        bias_regularizer: Penalty on the bias.
        depthwise_constraint: Kept by the kernel.
        bias_constraint: Kept by the bias.
        keywords: See `Layer`.

    Raises:
        UsageError: If an argument cannot be used, or the input does not fit.

    Example:
        >>> import torch
        >>> DepthwiseConv2D(3, depth_multiplier=2)(torch.zeros(1, 8, 8, 3)).shape
        torch.Size([1, 6, 6, 6])
    """

    rank = 2
    weight: Tensor
    bias: Tensor | None

    def __init__(
        self,
        kernel_size: int | Sequence[int],
        strides: int | Sequence[int] = (1, 1),
        padding: str = "valid",
        depth_multiplier: int = 1,
        data_format: str | None = None,
        dilation_rate: int | Sequence[int] = (1, 1),
        activation: activations.ActivationLike = None,
        use_bias: bool = True,
        depthwise_initializer: initializers.InitializerLike = "glorot_uniform",
        bias_initializer: initializers.InitializerLike = "zeros",
        depthwise_regularizer: regularizers.RegularizerLike = None,
        bias_regularizer: regularizers.RegularizerLike = None,
        depthwise_constraint: constraints.ConstraintLike = None,
        bias_constraint: constraints.ConstraintLike = None,
        **keywords: Unpack[LayerKeywords],
    ) -> None:
        super().__init__(**keywords)
        self.set_geometry(kernel_size, strides, padding, data_format, dilation_rate)
        self.depth_multiplier = check_count(depth_multiplier, "depth_multiplier", self.label)
        self.activation = get_activation(activation)
        self.use_bias = use_bias
        self.depthwise_initializer = initializers.get(depthwise_initializer)
        self.bias_initializer = initializers.get(bias_initializer)
        self.depthwise_regularizer = regularizers.get(depthwise_regularizer)
        self.bias_regularizer = regularizers.get(bias_regularizer)
        self.depthwise_constraint = constraints.get(depthwise_constraint)
        self.bias_constraint = constraints.get(bias_constraint)
        self.register_parameter("weight", None)  # torch's order: the weight first
        self.register_parameter("bias", None)

    def build(self, input_shape: Shape) -> None:
        """Make the kernel and the bias."""
        channels = self.input_channels(input_shape)
        self.make_weight(
            "kernel",
            "weight",
            (*self.kernel_size, channels, self.depth_multiplier),
            arguments="depthwise",
            layout=ChannelFilters(self.depth_multiplier),
        )
        if self.use_bias:
            self.make_weight("bias", "bias", (channels * self.depth_multiplier,))
        super().build(input_shape)

    def forward(self, inputs: Tensor) -> Tensor:
        """Return the filtered images."""
        last = self.data_format == "channels_last"
        try:
            images, padding = self.padded(to_channels_first(inputs) if last else inputs)
            outputs = F.conv2d(
                images,
                self.weight,
                self.bias,
                self.strides,
                padding,
                self.dilation_rate,
                images.shape[1],
            )
        except (RuntimeError, LookupError, TypeError):
            self.check_tensor(inputs)
            raise
        return self.activation(to_channels_last(outputs) if last else outputs)


class SeparableConv2D(SlidingKernel):
    """A depthwise convolution, then a mix of the channels: far fewer weights than `Conv2D`.

    Args:
        filters: Number of output channels.
        kernel_size: One size for both axes, or one for each.
        strides: Step of the kernel.
        padding: `"valid"` or `"same"`, see `Conv2D`.
        data_format: `"channels_last"` or `"channels_first"`.
        dilation_rate: Distance between the values that the kernel touches.
        depth_multiplier: Number of filters for each channel before the mix.
        activation: A name, function or module; `None` for none.
        use_bias: Whether a bias is added.
        depthwise_initializer: Of the kernel `(rows, columns, channels, multiplier)`.
        pointwise_initializer: Of the mix `(1, 1, channels * multiplier, filters)`.
        bias_initializer: Of the bias `(filters,)`.
        depthwise_regularizer: Penalty on the kernel.
        pointwise_regularizer: Penalty on the mix.
        bias_regularizer: Penalty on the bias.
        depthwise_constraint: Kept by the kernel.
        pointwise_constraint: Kept by the mix.
        bias_constraint: Kept by the bias.
        keywords: See `Layer`.

    Raises:
        UsageError: If an argument cannot be used, or the input does not fit.

    Example:
        >>> import torch
        >>> SeparableConv2D(5, 3)(torch.zeros(1, 8, 8, 3)).shape
        torch.Size([1, 6, 6, 5])
    """

    rank = 2
    depthwise_weight: Tensor
    pointwise_weight: Tensor
    bias: Tensor | None

    def __init__(
        self,
        filters: int,
        kernel_size: int | Sequence[int],
        strides: int | Sequence[int] = (1, 1),
        padding: str = "valid",
        data_format: str | None = None,
        dilation_rate: int | Sequence[int] = (1, 1),
        depth_multiplier: int = 1,
        activation: activations.ActivationLike = None,
        use_bias: bool = True,
        depthwise_initializer: initializers.InitializerLike = "glorot_uniform",
        pointwise_initializer: initializers.InitializerLike = "glorot_uniform",
        bias_initializer: initializers.InitializerLike = "zeros",
        depthwise_regularizer: regularizers.RegularizerLike = None,
        pointwise_regularizer: regularizers.RegularizerLike = None,
        bias_regularizer: regularizers.RegularizerLike = None,
        depthwise_constraint: constraints.ConstraintLike = None,
        pointwise_constraint: constraints.ConstraintLike = None,
        bias_constraint: constraints.ConstraintLike = None,
        **keywords: Unpack[LayerKeywords],
    ) -> None:
        super().__init__(**keywords)
        self.filters = check_count(filters, "filters", self.label)
        self.set_geometry(kernel_size, strides, padding, data_format, dilation_rate)
        self.depth_multiplier = check_count(depth_multiplier, "depth_multiplier", self.label)
        self.activation = get_activation(activation)
        self.use_bias = use_bias
        self.depthwise_initializer = initializers.get(depthwise_initializer)
        self.pointwise_initializer = initializers.get(pointwise_initializer)
        self.bias_initializer = initializers.get(bias_initializer)
        self.depthwise_regularizer = regularizers.get(depthwise_regularizer)
        self.pointwise_regularizer = regularizers.get(pointwise_regularizer)
        self.bias_regularizer = regularizers.get(bias_regularizer)
        self.depthwise_constraint = constraints.get(depthwise_constraint)
        self.pointwise_constraint = constraints.get(pointwise_constraint)
        self.bias_constraint = constraints.get(bias_constraint)
        self.register_parameter("depthwise_weight", None)
        self.register_parameter("pointwise_weight", None)
        self.register_parameter("bias", None)

    def build(self, input_shape: Shape) -> None:
        """Make the two kernels and the bias."""
        channels = self.input_channels(input_shape)
        self.make_weight(
            "depthwise_kernel",
            "depthwise_weight",
            (*self.kernel_size, channels, self.depth_multiplier),
            arguments="depthwise",
            layout=ChannelFilters(self.depth_multiplier),
        )
        self.make_weight(
            "pointwise_kernel",
            "pointwise_weight",
            (1, 1, channels * self.depth_multiplier, self.filters),
            arguments="pointwise",
            layout=KERNEL_LAYOUTS[2],
            memory_format=MEMORY_FORMATS[4],
        )
        if self.use_bias:
            self.make_weight("bias", "bias", (self.filters,))
        super().build(input_shape)

    def forward(self, inputs: Tensor) -> Tensor:
        """Return the filtered images."""
        last = self.data_format == "channels_last"
        try:
            images, padding = self.padded(to_channels_first(inputs) if last else inputs)
            filtered = F.conv2d(
                images,
                self.depthwise_weight,
                None,
                self.strides,
                padding,
                self.dilation_rate,
                images.shape[1],
            )
            outputs = F.conv2d(filtered, self.pointwise_weight, self.bias)
        except (RuntimeError, LookupError, TypeError):
            self.check_tensor(inputs)
            raise
        return self.activation(to_channels_last(outputs) if last else outputs)
