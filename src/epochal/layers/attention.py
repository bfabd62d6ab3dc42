"""Attention of several heads (Vaswani et al., 2017)."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Self

import torch
from torch import Tensor
from torch.nn import functional as F
from typing_extensions import Unpack

from epochal import constraints, initializers, regularizers
from epochal.layers.keywords import LayerKeywords, Unsupported
from epochal.layers.regularization import SeededLayer
from epochal.layers.shapes import InputSpec, Shape, check_count, check_fraction, known, shapes_of

__all__ = ["MultiHeadAttention"]


@dataclass(frozen=True)
class HeadsOut:
    """Keras' `(in, heads, size)` and torch's `(heads * size, in)`."""

    heads: int

    def to_keras(self, *tensors: Tensor) -> Tensor:
        """Return Keras' kernel."""
        return tensors[0].T.reshape(tensors[0].shape[1], self.heads, -1)

    def to_torch(self, value: Tensor) -> tuple[Tensor, ...]:
        """Return torch's weight."""
        return (value.flatten(1).T,)


@dataclass(frozen=True)
class HeadsIn:
    """Keras' `(heads, size, out)` and torch's `(out, heads * size)`."""

    heads: int

    def to_keras(self, *tensors: Tensor) -> Tensor:
        """Return Keras' kernel."""
        return tensors[0].T.reshape(self.heads, -1, tensors[0].shape[0])

    def to_torch(self, value: Tensor) -> tuple[Tensor, ...]:
        """Return torch's weight."""
        return (value.flatten(0, 1).T,)


@dataclass(frozen=True)
class HeadsBias:
    """Keras' `(heads, size)` and torch's `(heads * size,)`."""

    heads: int

    def to_keras(self, *tensors: Tensor) -> Tensor:
        """Return Keras' bias."""
        return tensors[0].reshape(self.heads, -1)

    def to_torch(self, value: Tensor) -> tuple[Tensor, ...]:
        """Return torch's bias."""
        return (value.flatten(),)


class MultiHeadAttention(SeededLayer):
    """Lets every place of `query` read from the places of `value` that match it.

    Called with one input it is self-attention, so that it can stand in a Sequential.

    Args:
        num_heads: Number of heads.
        key_dim: Size of each head's queries and keys.
        value_dim: Size of each head's values; `key_dim` if not given.
        dropout: Share of the attention weights dropped in training.
        use_bias: Whether biases are added.
        output_shape: Size of the output; that of `query` if not given.
        kernel_initializer: Of the four kernels.
        bias_initializer: Of the four biases.
        kernel_regularizer: Penalty on each kernel.
        bias_regularizer: Penalty on each bias.
        kernel_constraint: Kept by each kernel.
        bias_constraint: Kept by each bias.
        seed: Of the dropout; `None` for torch's generator.
        keywords: See `Layer`.

    Raises:
        UsageError: If an argument cannot be used, or an input does not fit.

    Example:
        >>> layer = MultiHeadAttention(num_heads=2, key_dim=4)
        >>> layer(torch.zeros(1, 5, 8), torch.zeros(1, 7, 8)).shape
        torch.Size([1, 5, 8])
    """

    unsupported: ClassVar[Unsupported] = {
        "attention_axes": (None, "attention runs over axis 1; move the axis there"),
        "sliding_window": (None, "give the window as attention_mask"),
        "flash_attention": (None, "torch picks the kernel; leave it out"),
        "use_gate": (False, "multiply the output by a gate in a Layer of your own"),
    }

    q_proj_weight: Tensor
    q_proj_bias: Tensor | None
    k_proj_weight: Tensor
    k_proj_bias: Tensor | None
    v_proj_weight: Tensor
    v_proj_bias: Tensor | None
    out_proj_weight: Tensor
    out_proj_bias: Tensor | None

    def __init__(
        self,
        num_heads: int,
        key_dim: int,
        value_dim: int | None = None,
        dropout: float = 0.0,
        use_bias: bool = True,
        output_shape: int | Sequence[int] | None = None,
        kernel_initializer: initializers.InitializerLike = "glorot_uniform",
        bias_initializer: initializers.InitializerLike = "zeros",
        kernel_regularizer: regularizers.RegularizerLike = None,
        bias_regularizer: regularizers.RegularizerLike = None,
        kernel_constraint: constraints.ConstraintLike = None,
        bias_constraint: constraints.ConstraintLike = None,
        seed: int | None = None,
        **keywords: Unpack[LayerKeywords],
    ) -> None:
        super().__init__(seed, **keywords)
        self.num_heads = check_count(num_heads, "num_heads", self.label)
        self.key_dim = check_count(key_dim, "key_dim", self.label)
        size = key_dim if value_dim is None else value_dim
        self.value_dim = check_count(size, "value_dim", self.label)
        self.dropout = check_fraction(dropout, "dropout", self.label)
        self.use_bias = use_bias
        if isinstance(output_shape, (list, tuple)) and len(output_shape) == 1:
            output_shape = output_shape[0]
        self.output_shape: int | None = None
        if output_shape is not None:
            self.output_shape = check_count(output_shape, "output_shape", self.label)  # type: ignore[arg-type]  # what is no integer is refused there
        self.kernel_initializer = initializers.get(kernel_initializer)
        self.bias_initializer = initializers.get(bias_initializer)
        self.kernel_regularizer = regularizers.get(kernel_regularizer)
        self.bias_regularizer = regularizers.get(bias_regularizer)
        self.kernel_constraint = constraints.get(kernel_constraint)
        self.bias_constraint = constraints.get(bias_constraint)
        self.input_spec = InputSpec(ndim=3)
        for name in ("q", "k", "v", "out"):
            self.register_parameter(f"{name}_proj_weight", None)
            self.register_parameter(f"{name}_proj_bias", None)

    @classmethod
    def from_config(cls, config: Mapping[str, Any]) -> Self:
        """Return a new layer made from what `get_config` returned, or Keras wrote."""
        # Keras writes the axes it settled on; for sequences that is axis 1, as here.
        settled = list(config.get("attention_axes") or ()) == [1]
        return super().from_config({**config, "attention_axes": None} if settled else config)

    def _build_shapes(self, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> tuple[Any, ...]:
        given = dict(zip(("query", "value", "key"), args, strict=False))
        names = [name for name in ("query", "value", "key") if name in {**given, **kwargs}]
        tensors = [{**given, **kwargs}[name] for name in names]
        return tuple(shapes_of(tensor) for tensor in tensors if tensor is not None)

    def build(
        self, input_shape: Shape, value_shape: Shape | None = None, key_shape: Shape | None = None
    ) -> None:
        """Make the projections.

        Args:
            input_shape: Of the query.
            value_shape: Of the value; that of the query if not given.
            key_shape: Of the key; that of the value if not given.
        """
        value_shape = value_shape or input_shape
        query, value, key = (
            known(shape, -1, self.label)
            for shape in (input_shape, value_shape, key_shape or value_shape)
        )
        self.input_spec = InputSpec(ndim=3, axes={-1: query})
        self._make_projection("query", "q", query, self.key_dim)
        self._make_projection("key", "k", key, self.key_dim)
        self._make_projection("value", "v", value, self.value_dim)
        heads, size = self.num_heads, self.output_shape or query
        self.make_weight(
            "output_dense/kernel",
            "out_proj_weight",
            (heads, self.value_dim, size),
            arguments="kernel",
            layout=HeadsIn(heads),
            fan_shape=(heads * self.value_dim, size),
        )
        if self.use_bias:
            self.make_weight("output_dense/bias", "out_proj_bias", (size,), arguments="bias")
        super().build(input_shape)

    def _make_projection(self, name: str, short: str, size: int, head_size: int) -> None:
        heads = self.num_heads
        self.make_weight(
            f"{name}_dense/kernel",
            f"{short}_proj_weight",
            (size, heads, head_size),
            arguments="kernel",
            layout=HeadsOut(heads),
            fan_shape=(size, heads * head_size),
        )
        if self.use_bias:
            self.make_weight(
                f"{name}_dense/bias",
                f"{short}_proj_bias",
                (heads, head_size),
                arguments="bias",
                layout=HeadsBias(heads),
            )

    def forward(
        self,
        query: Tensor,
        value: Tensor | None = None,
        key: Tensor | None = None,
        attention_mask: Tensor | None = None,
        return_attention_scores: bool = False,
        training: bool | None = None,
        use_causal_mask: bool = False,
    ) -> Tensor | tuple[Tensor, Tensor]:
        """Return what each place of `query` has read.

        Args:
            query: Of shape `(batch, places, features)`.
            value: What is read, `(batch, sources, features)`; `query` if not given.
            key: What `query` is matched with; `value` if not given.
            attention_mask: Broadcastable to `(batch, places, sources)`; true where reading is
                allowed.
            return_attention_scores: Whether the weights of the reading are returned too.
            training: Whether dropout acts; the layer's mode if not given.
            use_causal_mask: Whether each place only reads from itself and what is before it.

        Returns:
            `(batch, places, size)`, and with `return_attention_scores` the weights,
            `(batch, heads, places, sources)`.
        """
        training = self.training if training is None else training
        value = query if value is None else value
        try:
            q = self._heads(query, self.q_proj_weight, self.q_proj_bias)
            k = self._heads(value if key is None else key, self.k_proj_weight, self.k_proj_bias)
            v = self._heads(value, self.v_proj_weight, self.v_proj_bias)
        except RuntimeError:
            self.check_tensor(query)
            raise
        rate = self.dropout if training else 0.0
        bias = _bias(q, k.shape[2], attention_mask, use_causal_mask)
        scores: Tensor | None = None
        if return_attention_scores or (rate and self.seed is not None):
            logits = q @ k.transpose(2, 3) / math.sqrt(self.key_dim)
            scores = torch.softmax(logits if bias is None else logits + bias, -1)
            used = scores * self.keep_mask(scores, scores.shape, rate) if rate else scores
            read = used @ v
        else:
            read = F.scaled_dot_product_attention(q, k, v, bias, rate)
        read = read.transpose(1, 2).flatten(2)
        outputs = F.linear(read, self.out_proj_weight, self.out_proj_bias)
        return (outputs, scores) if return_attention_scores and scores is not None else outputs

    def _heads(self, inputs: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
        """Return `(batch, heads, places, size)`."""
        projected = F.linear(inputs, weight, bias)
        batch, places = inputs.shape[:2]
        return projected.view(batch, places, self.num_heads, -1).transpose(1, 2)


def _bias(q: Tensor, sources: int, mask: Tensor | None, causal: bool) -> Tensor | None:
    """Return what is added to the logits: a large negative number where reading is not allowed.

    Not minus infinity: a place that may read from nowhere then reads the mean, as in Keras,
    instead of becoming NaN.
    """
    allowed: Tensor | None = None
    if mask is not None:
        allowed = mask.bool()
        allowed = allowed.unsqueeze(1) if allowed.dim() > 2 else allowed
    if causal:
        square = torch.ones(q.shape[2], sources, dtype=torch.bool, device=q.device).tril()
        allowed = square if allowed is None else allowed & square
    if allowed is None:
        return None
    lowest = torch.finfo(q.dtype).min / 2
    return torch.zeros_like(allowed, dtype=q.dtype).masked_fill(~allowed, lowest)
