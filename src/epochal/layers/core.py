"""The layers that most models consist of: dense layers, embeddings, small adapters."""

import warnings
from collections.abc import Callable, Mapping
from typing import Any, ClassVar, Never

import torch
from torch import Tensor
from torch.nn import functional as F
from typing_extensions import Unpack

from epochal import activations, constraints, initializers, regularizers
from epochal.core.errors import UsageError
from epochal.layers.base import Layer
from epochal.layers.keywords import LayerKeywords, SharedKeywords, Unsupported
from epochal.layers.registry import get_activation
from epochal.layers.shapes import InputSpec, Shape, check_count, known
from epochal.layers.weights import TRANSPOSED

__all__ = ["Activation", "Dense", "Embedding", "Lambda", "Rescaling"]

NO_LORA = "train the whole layer, or write a Layer with the low-rank factors"
NO_QUANTIZATION = "quantise the trained model with torch's own tools"


class Dense(Layer):
    """A fully connected layer: `activation(inputs @ kernel + bias)` over the last axis.

    Its `state_dict` is that of `nn.Linear`.

    Args:
        units: Size of the output's last axis.
        activation: A name, function or module; `None` for none.
        use_bias: Whether a bias is added.
        kernel_initializer: Of the kernel `(inputs, units)`.
        bias_initializer: Of the bias `(units,)`.
        kernel_regularizer: Penalty on the kernel, such as `"l2"`.
        bias_regularizer: Penalty on the bias.
        kernel_constraint: Kept by the kernel, such as `"max_norm"`.
        bias_constraint: Kept by the bias.
        keywords: See `Layer`.

    Raises:
        UsageError: If an argument cannot be used.

    Example:
        >>> layer = Dense(3, activation="relu", input_dim=2)
        >>> layer(torch.zeros(5, 2)).shape
        torch.Size([5, 3])
        >>> [array.shape for array in layer.get_weights()]
        [(2, 3), (3,)]
    """

    unsupported: ClassVar[Unsupported] = {
        "lora_rank": (None, NO_LORA),
        "lora_alpha": (None, NO_LORA),
        "quantization_config": (None, NO_QUANTIZATION),
    }
    weight: Tensor
    bias: Tensor | None

    def __init__(
        self,
        units: int,
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
        self.units = check_count(units, "units", self.label)
        self.activation = get_activation(activation)
        if self.units == 1 and self.activation is activations.softmax:
            warnings.warn(
                f"{self.label}: the softmax of a single unit is 1 for any input; "
                "use activation='sigmoid'",
                stacklevel=2,
            )
        self.use_bias = use_bias
        self.kernel_initializer = initializers.get(kernel_initializer)
        self.bias_initializer = initializers.get(bias_initializer)
        self.kernel_regularizer = regularizers.get(kernel_regularizer)
        self.bias_regularizer = regularizers.get(bias_regularizer)
        self.kernel_constraint = constraints.get(kernel_constraint)
        self.bias_constraint = constraints.get(bias_constraint)
        self.input_spec = InputSpec(min_ndim=2)
        self.register_parameter("weight", None)  # torch's order: the weight first
        self.register_parameter("bias", None)

    def build(self, input_shape: Shape) -> None:
        """Make the kernel and the bias."""
        size = known(input_shape, -1, self.label)
        self.input_spec = InputSpec(min_ndim=2, axes={-1: size})
        self.make_weight("kernel", "weight", (size, self.units), layout=TRANSPOSED)
        if self.use_bias:
            self.make_weight("bias", "bias", (self.units,))
        super().build(input_shape)

    def forward(self, inputs: Tensor) -> Tensor:
        """Return the output, of shape `(..., units)`, for inputs of shape `(..., inputs)`."""
        try:
            outputs = F.linear(inputs, self.weight, self.bias)
        except RuntimeError:
            self.check_tensor(inputs)
            raise
        return self.activation(outputs)


class Activation(Layer):
    """An activation as a layer of its own.

    Args:
        activation: A name, function or module.
        keywords: See `Layer`.

    Example:
        >>> Activation("relu")(torch.tensor([-1.0, 2.0]))
        tensor([0., 2.])
    """

    def __init__(
        self, activation: activations.ActivationLike, **keywords: Unpack[LayerKeywords]
    ) -> None:
        super().__init__(**keywords)
        self.activation = get_activation(activation)

    def forward(self, inputs: Tensor) -> Tensor:
        """Return the activation of the inputs, of the same shape."""
        return self.activation(inputs)


class Embedding(Layer):
    """A table of vectors, looked up by integers.

    Its `state_dict` is that of `nn.Embedding`.

    Args:
        input_dim: Number of rows; the integers run from 0 to `input_dim - 1`.
        output_dim: Length of each vector.
        embeddings_initializer: Of the table; `Constant(array)` for pretrained vectors.
        embeddings_regularizer: Penalty on the table.
        embeddings_constraint: Kept by the table.
        keywords: See `Layer`.

    Raises:
        UsageError: If an argument cannot be used, or (on the CPU) an integer is out of range.

    Example:
        >>> Embedding(10, 4)(torch.tensor([[1, 2, 3]])).shape
        torch.Size([1, 3, 4])
    """

    unsupported: ClassVar[Unsupported] = {
        "mask_zero": (
            False,
            "masks do not travel between layers; pad on the left, or mask in a model's `forward`",
        ),
        "weights": (None, "give the array as embeddings_initializer=Constant(array)"),
        "input_length": (None, "it follows from the data; leave it out"),
        "lora_rank": (None, NO_LORA),
        "lora_alpha": (None, NO_LORA),
        "quantization_config": (None, NO_QUANTIZATION),
    }
    weight: Tensor

    def __init__(
        self,
        input_dim: int,
        output_dim: int,
        embeddings_initializer: initializers.InitializerLike = "uniform",
        embeddings_regularizer: regularizers.RegularizerLike = None,
        embeddings_constraint: constraints.ConstraintLike = None,
        **keywords: Unpack[SharedKeywords],
    ) -> None:
        super().__init__(**keywords)
        self.input_dim = check_count(input_dim, "input_dim", self.label)
        self.output_dim = check_count(output_dim, "output_dim", self.label)
        self.embeddings_initializer = initializers.get(embeddings_initializer)
        self.embeddings_regularizer = regularizers.get(embeddings_regularizer)
        self.embeddings_constraint = constraints.get(embeddings_constraint)

    def build(self, input_shape: Shape | None = None) -> None:
        """Make the table."""
        self.make_weight("embeddings", "weight", (self.input_dim, self.output_dim))
        super().build(input_shape)

    def forward(self, inputs: Tensor) -> Tensor:
        """Return `(..., output_dim)` for integers, or whole floats, of shape `(...)`."""
        if inputs.dtype not in (torch.int64, torch.int32):
            inputs = inputs.long()
        try:
            return F.embedding(inputs, self.weight)
        except IndexError:
            low, high = int(inputs.min()), int(inputs.max())
            raise UsageError(
                f"{self.label}: got integers from {low} to {high}; expected 0 to "
                f"{self.input_dim - 1}, because input_dim is {self.input_dim}"
            ) from None


class Rescaling(Layer):
    """`inputs * scale + offset`, in floating point: `Rescaling(1 / 255)` for images of bytes.

    Args:
        scale: A number, or one for each channel.
        offset: A number, or one for each channel.
        keywords: See `Layer`.

    Example:
        >>> Rescaling(2.0, offset=-1.0)(torch.tensor([0, 1]))
        tensor([-1.,  1.])
    """

    def __init__(self, scale: Any, offset: Any = 0.0, **keywords: Unpack[LayerKeywords]) -> None:
        super().__init__(**keywords)
        self.scale, self.offset = scale, offset

    def forward(self, inputs: Tensor) -> Tensor:
        """Return floats of the inputs' shape."""
        if not inputs.is_floating_point():
            inputs = inputs.to(getattr(torch, self.dtype))
        scaled = inputs * self._factor(self.scale, inputs)
        return scaled + self._factor(self.offset, inputs)

    @staticmethod
    def _factor(value: Any, like: Tensor) -> float | Tensor:
        return value if isinstance(value, (int, float)) else torch.as_tensor(value).to(like)


class Lambda(Layer):
    """Any function as a layer; it cannot be saved, because no code ever goes into a file.

    Args:
        function: Called with the inputs and with `arguments`.
        output_shape: Kept for compatibility; the shape is found by running the function.
        arguments: Further keyword arguments of the function.
        keywords: See `Layer`.

    Example:
        >>> Lambda(lambda x: x**2)(torch.tensor([3.0]))
        tensor([9.])
    """

    unsupported: ClassVar[Unsupported] = {"mask": (None, "masks do not travel between layers")}

    def __init__(
        self,
        function: Callable[..., Any],
        output_shape: Any = None,
        arguments: Mapping[str, Any] | None = None,
        **keywords: Unpack[LayerKeywords],
    ) -> None:
        super().__init__(**keywords)
        if not callable(function):
            raise UsageError(f"{self.label}: got function={function!r}; expected a callable")
        self.function, self.output_shape = function, output_shape
        self.arguments = dict(arguments or {})

    def forward(self, inputs: Any) -> Any:
        """Return what the function makes of the inputs."""
        return self.function(inputs, **self.arguments)

    def get_config(self) -> Never:
        """Refuse: a function cannot be written down.

        Raises:
            UsageError: Always.
        """
        raise UsageError(
            f"{self.label}: a Lambda cannot be saved, because files hold no code; move the "
            "function into the `forward` of a Layer subclass"
        )
