"""Convolutions over one, two or three axes."""

from collections.abc import Sequence
from typing import ClassVar

from torch import Tensor
from torch.nn import functional as F
from typing_extensions import Unpack

from epochal import activations, constraints, initializers, regularizers
from epochal.core.errors import UsageError
from epochal.layers.base import Layer
from epochal.layers.images import (
    MEMORY_FORMATS,
    channel_axis,
    check_data_format,
    dilated,
    same_padding,
    spatial_sizes,
    to_channels_first,
    to_channels_last,
)
from epochal.layers.keywords import LayerKeywords
from epochal.layers.registry import get_activation
from epochal.layers.shapes import InputSpec, Shape, check_choice, check_count, int_tuple, known
from epochal.layers.weights import Permuted

__all__ = ["Conv1D", "Conv2D", "Conv3D", "Convolution", "SlidingKernel"]

_CONVOLVE = {1: F.conv1d, 2: F.conv2d, 3: F.conv3d}
# Keras' (spatial..., in, out) from torch's (out, in, spatial...).
KERNEL_LAYOUTS = {
    1: Permuted((2, 1, 0)),
    2: Permuted((2, 3, 1, 0)),
    3: Permuted((2, 3, 4, 1, 0)),
}


class SlidingKernel(Layer):
    """What every convolution shares: where its kernel goes, and what images it can go over."""

    rank: ClassVar[int]
    paddings: ClassVar[tuple[str, ...]] = ("valid", "same")
    kernel_size: tuple[int, ...]
    strides: tuple[int, ...]
    padding: str
    dilation_rate: tuple[int, ...]
    data_format: str

    def set_geometry(
        self,
        kernel_size: int | Sequence[int],
        strides: int | Sequence[int],
        padding: str,
        data_format: str | None,
        dilation_rate: int | Sequence[int],
    ) -> None:
        """Check and keep the arguments that say where the kernel goes.

        Raises:
            UsageError: If one of them cannot be used, or strides are combined with dilation.
        """
        rank, label = self.rank, self.label
        self.kernel_size = int_tuple(kernel_size, rank, "kernel_size", label)
        self.strides = int_tuple(strides, rank, "strides", label)
        self.padding = check_choice(padding, self.paddings, "padding", label)
        self.data_format = check_data_format(data_format, label)
        self.dilation_rate = int_tuple(dilation_rate, rank, "dilation_rate", label)
        if max(self.strides) > 1 and max(self.dilation_rate) > 1:
            raise UsageError(
                f"{label}: got strides={self.strides} and dilation_rate={self.dilation_rate}; "
                "expected one of them to be 1"
            )
        self.input_spec = InputSpec(ndim=rank + 2)

    @property
    def spans(self) -> tuple[int, ...]:
        """How many values the dilated kernel covers along each axis."""
        return tuple(map(dilated, self.kernel_size, self.dilation_rate))

    def input_channels(self, input_shape: Shape) -> int:
        """Return the number of channels, and expect as many from now on."""
        axis = channel_axis(self.data_format)
        channels = known(input_shape, axis, self.label)
        self.input_spec = InputSpec(ndim=self.rank + 2, axes={axis: channels})
        return channels

    def check_input(self, shape: Shape) -> None:
        """Refuse images of another rank or channel count, or smaller than the kernel.

        Raises:
            UsageError: Naming the layer, what it got and what it expects.
        """
        super().check_input(shape)
        sizes = spatial_sizes(shape, self.data_format)
        if self.padding != "valid":
            return
        for size, span in zip(sizes, self.spans, strict=True):
            if size is not None and size < span:
                raise UsageError(
                    f"{self.label}: got input of shape {shape}; expected at least {self.spans} "
                    "along the axes the kernel moves over; use a smaller kernel or padding='same'"
                )

    def sides(self, images: Tensor) -> tuple[tuple[int, int], ...]:
        """Return how many zeros go before and after each spatial axis of channels-first images."""
        if self.padding == "valid":
            return ((0, 0),) * self.rank
        if self.padding == "causal":
            return tuple((span - 1, 0) for span in self.spans)
        return tuple(map(same_padding, images.shape[2:], self.spans, self.strides))

    def padded(self, images: Tensor) -> tuple[Tensor, tuple[int, ...]]:
        """Return the images, and the padding left for torch's operation to do by itself.

        Torch pads both sides alike at no cost; only what is uneven is padded here.
        """
        sides = self.sides(images)
        if all(before == after for before, after in sides):
            return images, tuple(before for before, _ in sides)
        last_axis_first = [count for pair in reversed(sides) for count in pair]
        return F.pad(images, last_axis_first), (0,) * self.rank


class Convolution(SlidingKernel):
    """Base of `Conv1D`, `Conv2D` and `Conv3D`, which differ in the number of axes alone.

    Args:
        filters: Number of output channels.
        kernel_size: One size for all axes, or one for each.
        strides: Step of the kernel.
        padding: `"valid"` (none) or `"same"` (the output is as large as the input divided by the
            strides, uneven padding at the end); `Conv1D` also has `"causal"`.
        data_format: `"channels_last"` or `"channels_first"`.
        dilation_rate: Distance between the values that the kernel touches.
        groups: Number of groups of channels that do not mix.
        activation: A name, function or module; `None` for none.
        use_bias: Whether a bias is added.
        kernel_initializer: Of the kernel `(sizes..., channels / groups, filters)`.
        bias_initializer: Of the bias `(filters,)`.
        kernel_regularizer: Penalty on the kernel, such as `"l2"`.
        bias_regularizer: Penalty on the bias.
        kernel_constraint: Kept by the kernel, such as `"max_norm"`.
        bias_constraint: Kept by the bias.
        keywords: See `Layer`.

    Raises:
        UsageError: If an argument cannot be used, or the input does not fit.
    """

    weight: Tensor
    bias: Tensor | None

    def __init__(
        self,
        filters: int,
        kernel_size: int | Sequence[int],
        strides: int | Sequence[int] = 1,
        padding: str = "valid",
        data_format: str | None = None,
        dilation_rate: int | Sequence[int] = 1,
        groups: int = 1,
        activation: activations.ActivationLike = None,
        use_bias: bool = True,
        kernel_initializer: initializers.InitializerLike = "glorot_uniform",
        bias_initializer: initializers.InitializerLike = "zeros",
        kernel_regularizer: regularizers.RegularizerLike = None,
        bias_regularizer: regularizers.RegularizerLike = None,
        kernel_constraint: constraints.ConstraintLike = None,
        bias_constraint: constraints.ConstraintLike = None,
        **keywords: Unpack[LayerKeywords],
    ) -> None:
        super().__init__(**keywords)
        self.filters = check_count(filters, "filters", self.label)
        self.set_geometry(kernel_size, strides, padding, data_format, dilation_rate)
        self.groups = check_count(groups, "groups", self.label)
        if self.filters % self.groups:
            raise UsageError(
                f"{self.label}: got filters={filters} in groups={groups}; expected a multiple"
            )
        self.activation = get_activation(activation)
        self.use_bias = use_bias
        self.kernel_initializer = initializers.get(kernel_initializer)
        self.bias_initializer = initializers.get(bias_initializer)
        self.kernel_regularizer = regularizers.get(kernel_regularizer)
        self.bias_regularizer = regularizers.get(bias_regularizer)
        self.kernel_constraint = constraints.get(kernel_constraint)
        self.bias_constraint = constraints.get(bias_constraint)
        self.register_parameter("weight", None)  # torch's order: the weight first
        self.register_parameter("bias", None)

    def build(self, input_shape: Shape) -> None:
        """Make the kernel and the bias."""
        channels = self.input_channels(input_shape)
        if channels % self.groups:
            raise UsageError(
                f"{self.label}: got {channels} input channels; expected a multiple of "
                f"groups={self.groups}"
            )
        self.make_weight(
            "kernel",
            "weight",
            (*self.kernel_size, channels // self.groups, self.filters),
            layout=KERNEL_LAYOUTS[self.rank],
            memory_format=MEMORY_FORMATS[self.rank + 2],
        )
        if self.use_bias:
            self.make_weight("bias", "bias", (self.filters,))
        super().build(input_shape)

    def forward(self, inputs: Tensor) -> Tensor:
        """Return the filtered images."""
        last = self.data_format == "channels_last"
        try:
            images, padding = self.padded(to_channels_first(inputs) if last else inputs)
            outputs = _CONVOLVE[self.rank](
                images,
                self.weight,
                self.bias,
                self.strides,
                padding,
                self.dilation_rate,
                self.groups,
            )
        except (RuntimeError, LookupError, TypeError):
            self.check_tensor(inputs)
            raise
        return self.activation(to_channels_last(outputs) if last else outputs)


class Conv1D(Convolution):
    """A convolution over sequences, `(batch, steps, channels)`.

    See `Convolution` for the arguments; `padding="causal"` lets no output see later steps.

    Example:
        >>> import torch
        >>> Conv1D(8, 3, padding="causal")(torch.zeros(2, 10, 4)).shape
        torch.Size([2, 10, 8])
    """

    rank = 1
    paddings = ("valid", "same", "causal")


class Conv2D(Convolution):
    """A convolution over images, `(batch, rows, columns, channels)`.

    Its `state_dict` is that of `nn.Conv2d`. See `Convolution` for the arguments.

    Example:
        >>> import torch
        >>> Conv2D(32, 3, padding="same", activation="relu")(torch.zeros(2, 28, 28, 1)).shape
        torch.Size([2, 28, 28, 32])
    """

    rank = 2


class Conv3D(Convolution):
    """A convolution over volumes, `(batch, depth, rows, columns, channels)`.

    See `Convolution` for the arguments.

    Example:
        >>> import torch
        >>> Conv3D(8, 2, strides=2)(torch.zeros(2, 4, 4, 4, 1)).shape
        torch.Size([2, 2, 2, 2, 8])
    """

    rank = 3
