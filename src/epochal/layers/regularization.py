"""Layers that only act in training: dropout and noise."""

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn import functional as F
from typing_extensions import Unpack

from epochal.core.errors import UsageError
from epochal.layers.base import Layer
from epochal.layers.images import check_data_format
from epochal.layers.keywords import LayerKeywords
from epochal.layers.shapes import InputSpec, check_fraction

__all__ = ["Dropout", "GaussianNoise", "SeededLayer", "SpatialDropout2D"]


class SeededLayer(Layer):
    """A layer that draws random numbers: from torch's generator, or from its own if it has a seed.

    A layer's own generator, `self.generator`, is `None` without a seed and before the first draw;
    its state is part of what a run must restore.
    """

    seed: int | None

    def __init__(self, seed: int | None, **keywords: Unpack[LayerKeywords]) -> None:
        super().__init__(**keywords)
        self.seed = seed
        self.generator: torch.Generator | None = None

    def source(self, device: torch.device) -> torch.Generator | None:
        """Return the generator to draw from on `device`; `None` is torch's own."""
        if self.seed is None or device.type == "meta":
            return None
        if self.generator is None or self.generator.device != device:
            self.generator = torch.Generator(device).manual_seed(self.seed)
        return self.generator

    def keep_mask(self, inputs: Tensor, shape: Sequence[int], rate: float) -> Tensor:
        """Return 0 with probability `rate`, else `1 / (1 - rate)`, for each place of `shape`."""
        mask = inputs.new_empty(tuple(shape))
        mask.bernoulli_(1.0 - rate, generator=self.source(inputs.device))
        return mask.div_(1.0 - rate) if rate < 1.0 else mask


class Dropout(SeededLayer):
    """Sets a share of its inputs to zero in training, and scales the others up to keep the sum.

    Args:
        rate: The share, from 0 to 1.
        noise_shape: The shape in which zeros are drawn, broadcast to the inputs; `None` in it is
            the inputs' own size: `(None, 1, None)` drops the same values at every step.
        seed: An integer for zeros of its own; `None` for torch's generator.
        keywords: See `Layer`.

    Raises:
        UsageError: If `rate` is not between 0 and 1.

    Example:
        >>> layer = Dropout(0.5).eval()
        >>> layer(torch.ones(3))
        tensor([1., 1., 1.])
    """

    def __init__(
        self,
        rate: float,
        noise_shape: Sequence[int | None] | None = None,
        seed: int | None = None,
        **keywords: Unpack[LayerKeywords],
    ) -> None:
        super().__init__(seed, **keywords)
        self.rate = check_fraction(rate, "rate", self.label)
        self.noise_shape = None if noise_shape is None else tuple(noise_shape)

    def forward(self, inputs: Tensor, training: bool | None = None) -> Tensor:
        """Return the inputs, in training with zeros among them."""
        if not (self.training if training is None else training) or self.rate == 0:
            return inputs
        if self.noise_shape is None and self.seed is None:
            return F.dropout(inputs, self.rate, training=True)
        shape = self.noise_shape or tuple(inputs.shape)
        if len(shape) != inputs.dim():
            raise UsageError(
                f"{self.label}: got input of shape {tuple(inputs.shape)}; expected as many axes as "
                f"noise_shape={shape} has"
            )
        sizes = [
            own if size is None else size for own, size in zip(inputs.shape, shape, strict=True)
        ]
        return inputs * self.keep_mask(inputs, sizes, self.rate)


class SpatialDropout2D(SeededLayer):
    """Drops whole channels of images in training, because neighbouring pixels are alike.

    Args:
        rate: The share of channels, from 0 to 1.
        data_format: `"channels_last"` or `"channels_first"`.
        seed: An integer for zeros of its own; `None` for torch's generator.
        keywords: See `Layer`.

    Raises:
        UsageError: If `rate` is not between 0 and 1.

    Example:
        >>> dropped = SpatialDropout2D(0.5, seed=1)(torch.ones(1, 4, 4, 8))
        >>> sorted(set(dropped.sum((1, 2)).flatten().tolist()))
        [0.0, 32.0]
    """

    def __init__(
        self,
        rate: float,
        data_format: str | None = None,
        seed: int | None = None,
        **keywords: Unpack[LayerKeywords],
    ) -> None:
        super().__init__(seed, **keywords)
        self.rate = check_fraction(rate, "rate", self.label)
        self.data_format = check_data_format(data_format, self.label)
        self.input_spec = InputSpec(ndim=4)

    def forward(self, inputs: Tensor, training: bool | None = None) -> Tensor:
        """Return the inputs, in training without some of their channels."""
        if not (self.training if training is None else training) or self.rate == 0:
            return inputs
        self.check_input(tuple(inputs.shape))
        batch, first, _, last = inputs.shape
        one_each = (
            (batch, 1, 1, last) if self.data_format == "channels_last" else (batch, first, 1, 1)
        )
        return inputs * self.keep_mask(inputs, one_each, self.rate)


class GaussianNoise(SeededLayer):
    """Adds normal noise to its inputs in training.

    Args:
        stddev: Standard deviation of the noise.
        seed: An integer for noise of its own; `None` for torch's generator.
        keywords: See `Layer`.

    Raises:
        UsageError: If `stddev` is negative.

    Example:
        >>> GaussianNoise(0.1).eval()(torch.ones(2))
        tensor([1., 1.])
    """

    def __init__(
        self, stddev: float, seed: int | None = None, **keywords: Unpack[LayerKeywords]
    ) -> None:
        super().__init__(seed, **keywords)
        if stddev < 0:
            raise UsageError(f"{self.label}: got stddev={stddev!r}; expected 0 or more")
        self.stddev = stddev

    def forward(self, inputs: Tensor, training: bool | None = None) -> Tensor:
        """Return the inputs, in training with noise."""
        if not (self.training if training is None else training) or self.stddev == 0:
            return inputs
        noise = inputs.new_empty(inputs.shape)
        noise.normal_(0.0, self.stddev, generator=self.source(inputs.device))
        return inputs + noise
