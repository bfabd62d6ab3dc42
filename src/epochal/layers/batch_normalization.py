"""Batch normalization as Keras has it: slow averages of the biased variance."""

from typing import ClassVar

import torch
from torch import Tensor
from typing_extensions import Unpack

from epochal import constraints, initializers, regularizers
from epochal.core.errors import UsageError
from epochal.layers.base import Layer
from epochal.layers.keywords import LayerKeywords, Unsupported
from epochal.layers.shapes import InputSpec, Shape, known

__all__ = ["BatchNormalization"]


class BatchNormalization(Layer):
    """Gives every channel mean 0 and variance 1: over the batch in training, else by averages.

    The averages are `moving = momentum * moving + (1 - momentum) * batch`, of the biased variance
    (Ioffe & Szegedy, 2015; Keras' formula). With `trainable=False` the layer always uses its
    averages and leaves them alone. Its `state_dict` is that of `nn.BatchNorm2d` without
    `num_batches_tracked`.

    Args:
        axis: Of the channels.
        momentum: Share of an average that is kept at each batch.
        epsilon: Added to the variance.
        center: Whether `beta` is added.
        scale: Whether the result is multiplied by `gamma`.
        beta_initializer: Of the offset.
        gamma_initializer: Of the factor.
        moving_mean_initializer: Of the average of the mean.
        moving_variance_initializer: Of the average of the variance.
        beta_regularizer: Penalty on the offset.
        gamma_regularizer: Penalty on the factor.
        beta_constraint: Kept by the offset.
        gamma_constraint: Kept by the factor.
        keywords: See `Layer`.

    Raises:
        UsageError: If the input has one axis or another number of channels than before.

    Example:
        >>> layer = BatchNormalization()
        >>> layer(torch.tensor([[0.0], [2.0]])).detach().flatten()
        tensor([-0.9995,  0.9995])
        >>> layer.running_mean
        tensor([0.0100])
    """

    unsupported: ClassVar[Unsupported] = {
        "renorm": (False, "use a larger batch, or LayerNormalization"),
        "renorm_clipping": (None, "renorm is not supported"),
        "renorm_momentum": (0.99, "renorm is not supported"),
        "synchronized": (False, "convert the model with nn.SyncBatchNorm, or freeze the layer"),
    }
    weight: Tensor | None
    bias: Tensor | None
    running_mean: Tensor
    running_var: Tensor

    def __init__(
        self,
        axis: int = -1,
        momentum: float = 0.99,
        epsilon: float = 0.001,
        center: bool = True,
        scale: bool = True,
        beta_initializer: initializers.InitializerLike = "zeros",
        gamma_initializer: initializers.InitializerLike = "ones",
        moving_mean_initializer: initializers.InitializerLike = "zeros",
        moving_variance_initializer: initializers.InitializerLike = "ones",
        beta_regularizer: regularizers.RegularizerLike = None,
        gamma_regularizer: regularizers.RegularizerLike = None,
        beta_constraint: constraints.ConstraintLike = None,
        gamma_constraint: constraints.ConstraintLike = None,
        **keywords: Unpack[LayerKeywords],
    ) -> None:
        super().__init__(**keywords)
        if axis == 0:
            raise UsageError(f"{self.label}: got axis=0, the batch; expected the channels' axis")
        self.axis, self.momentum, self.epsilon = axis, momentum, epsilon
        self.center, self.scale = center, scale
        self.beta_initializer = initializers.get(beta_initializer)
        self.gamma_initializer = initializers.get(gamma_initializer)
        self.moving_mean_initializer = initializers.get(moving_mean_initializer)
        self.moving_variance_initializer = initializers.get(moving_variance_initializer)
        self.beta_regularizer = regularizers.get(beta_regularizer)
        self.gamma_regularizer = regularizers.get(gamma_regularizer)
        self.beta_constraint = constraints.get(beta_constraint)
        self.gamma_constraint = constraints.get(gamma_constraint)
        self.input_spec = InputSpec(min_ndim=2)
        self.register_parameter("weight", None)
        self.register_parameter("bias", None)

    def build(self, input_shape: Shape) -> None:
        """Make the factor, the offset and the averages."""
        size = known(input_shape, self.axis, self.label)
        self.input_spec = InputSpec(min_ndim=2, axes={self.axis: size})
        if self.scale:
            self.make_weight("gamma", "weight", (size,))
        if self.center:
            self.make_weight("beta", "bias", (size,))
        self.make_weight("moving_mean", "running_mean", (size,), trainable=False)
        self.make_weight("moving_variance", "running_var", (size,), trainable=False)
        super().build(input_shape)

    def forward(self, inputs: Tensor, training: bool | None = None) -> Tensor:
        """Return the normalised inputs, of the same shape."""
        training = (self.training if training is None else training) and self._trainable
        channels_second = inputs.dim() == 2 or self.axis == 1
        x = inputs if channels_second else inputs.movedim(self.axis, 1)
        try:
            outputs = self._normalize(x, training)
        except RuntimeError:
            self.check_tensor(inputs)
            raise
        return outputs if channels_second else outputs.movedim(1, self.axis)

    def _normalize(self, x: Tensor, training: bool) -> Tensor:
        share = 1.0 - self.momentum
        count = x.numel() // x.shape[1]
        if not training or count < 2:
            mean, variance = self.running_mean, self.running_var
            if (
                training and count == 1
            ):  # torch refuses it: the batch is its own mean, without variance
                mean, variance = x.detach().reshape(-1), torch.zeros_like(variance)
                self.running_mean.lerp_(mean, share)
                self.running_var.mul_(self.momentum)
            return torch.batch_norm(
                x, self.weight, self.bias, mean, variance, False, 0.0, self.epsilon, True
            )
        # torch averages the unbiased variance. Scaling the average up before and down after makes
        # it that of the biased one, for two operations on one number per channel.
        up, down = count / (count - 1), (count - 1) / count
        means, variances = self.running_mean, self.running_var
        if torch.compiler.is_compiling():  # a compiler knows no `.data`, and fuses the copies away
            means, variances = means.clone(), variances * up
        else:  # autograd need not see this: the values that it saved are not used in training
            variances.data.mul_(up)
        outputs = torch.batch_norm(
            x, self.weight, self.bias, means, variances, True, share, self.epsilon, True
        )
        if torch.compiler.is_compiling():
            self.running_mean.copy_(means)
            self.running_var.copy_(variances * down)
        else:
            variances.data.mul_(down)
        return outputs
