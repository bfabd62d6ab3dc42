"""The convolution run backwards: it makes images larger."""

from collections.abc import Sequence

from torch import Tensor
from torch.nn import functional as F
from typing_extensions import Unpack

from epochal import activations, constraints, initializers, regularizers
from epochal.core.errors import UsageError
from epochal.layers.convolution import KERNEL_LAYOUTS, SlidingKernel
from epochal.layers.images import MEMORY_FORMATS, to_channels_first, to_channels_last
from epochal.layers.keywords import LayerKeywords
from epochal.layers.registry import get_activation
from epochal.layers.shapes import Shape, check_count, int_tuple

__all__ = ["Conv2DTranspose"]


class Conv2DTranspose(SlidingKernel):
    """A transposed convolution: each pixel adds a scaled kernel to the output.

    Its `state_dict` is that of `nn.ConvTranspose2d`.

    Args:
        filters: Number of output channels.
        kernel_size: One size for both axes, or one for each.
        strides: Step of the kernel in the output, the factor by which images grow.
        padding: `"valid"` (everything the kernels reach) or `"same"` (input size times strides).
        output_padding: Rows and columns added at the end of the smallest output; `None` for what
            `padding` says.
        data_format: `"channels_last"` or `"channels_first"`.
        dilation_rate: Distance between the values that the kernel touches.
        activation: A name, function or module; `None` for none.
        use_bias: Whether a bias is added.
        kernel_initializer: Of the kernel `(rows, columns, filters, channels)`.
        bias_initializer: Of the bias `(filters,)`.
        kernel_regularizer: Penalty on the kernel.
        bias_regularizer: Penalty on the bias.
        kernel_constraint: Kept by the kernel.
        bias_constraint: Kept by the bias.
        keywords: See `Layer`.

    Raises:
        UsageError: If an argument cannot be used, or the input does not fit.

    Example:
        >>> import torch
        >>> Conv2DTranspose(5, 3, strides=2, padding="same")(torch.zeros(1, 8, 8, 3)).shape
        torch.Size([1, 16, 16, 5])
    """

    rank = 2
    weight: Tensor
    bias: Tensor | None

    def __init__(
        self,
        filters: int,
        kernel_size: int | Sequence[int],
        strides: int | Sequence[int] = (1, 1),
        padding: str = "valid",
        output_padding: int | Sequence[int] | None = None,
        data_format: str | None = None,
        dilation_rate: int | Sequence[int] = (1, 1),
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
        self.output_padding: tuple[int, ...] | None = None
        if output_padding is not None:
            extra = int_tuple(output_padding, 2, "output_padding", self.label, least=0)
            if any(e >= s for e, s in zip(extra, self.strides, strict=True)):
                raise UsageError(
                    f"{self.label}: got output_padding={extra}; expected less than "
                    f"strides={self.strides}"
                )
            self.output_padding = extra
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

    def check_input(self, shape: Shape) -> None:
        """Refuse images of another rank or channel count; no image is too small.

        Raises:
            UsageError: Naming the layer, what it got and what it expects.
        """
        super(SlidingKernel, self).check_input(shape)

    def build(self, input_shape: Shape) -> None:
        """Make the kernel and the bias."""
        channels = self.input_channels(input_shape)
        self.make_weight(
            "kernel",
            "weight",
            (*self.kernel_size, self.filters, channels),
            layout=KERNEL_LAYOUTS[2],
            memory_format=MEMORY_FORMATS[4],
        )
        if self.use_bias:
            self.make_weight("bias", "bias", (self.filters,))
        super().build(input_shape)

    def window(self, axis: int, size: int) -> tuple[int, int]:
        """Return how many values are cut off before, and how many are kept, along one axis.

        Without a cut there are `(size - 1) * stride + span` values.
        """
        span, stride = self.spans[axis], self.strides[axis]
        extra = None if self.output_padding is None else self.output_padding[axis]
        if self.padding == "valid":
            grown = max(stride - span, 0) if extra is None else extra
            return 0, (size - 1) * stride + span + grown
        if extra is None:
            return max((span - stride) // 2, 0), size * stride
        return max((span - span % 2 - extra) // 2, 0), (size - 1) * stride + span % 2 + extra

    def forward(self, inputs: Tensor) -> Tensor:
        """Return the larger images."""
        last = self.data_format == "channels_last"
        try:
            images = to_channels_first(inputs) if last else inputs
            cuts, kept = zip(*map(self.window, (0, 1), images.shape[2:]), strict=True)
            # Torch cuts the same from both sides, and can then add values at the end again.
            sizes = [
                (size - 1) * stride + span - 2 * cut
                for size, stride, span, cut in zip(
                    images.shape[2:], self.strides, self.spans, cuts, strict=True
                )
            ]
            added = tuple(max(keep - size, 0) for keep, size in zip(kept, sizes, strict=True))
            outputs = F.conv_transpose2d(
                images,
                self.weight,
                self.bias,
                self.strides,
                cuts,
                added,
                1,
                self.dilation_rate,
            )[:, :, : kept[0], : kept[1]]
        except (RuntimeError, LookupError, TypeError, ValueError):
            self.check_tensor(inputs)
            raise
        return self.activation(to_channels_last(outputs) if last else outputs)
