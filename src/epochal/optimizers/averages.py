"""An exponential moving average of the weights, kept beside them."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

__all__ = ["Averages"]


class Averages:
    """The averages of some weights.

    Args:
        parameters: The weights.
        momentum: How much of the old average each update keeps.
    """

    def __init__(self, parameters: Sequence[nn.Parameter], momentum: float) -> None:
        self.momentum = momentum
        self.values: list[Tensor] = []
        self.swapped = False
        self._parameters = parameters

    def update(self) -> None:
        """Take in the weights as they are after an update; the first time they are the average."""
        weights = [parameter.detach() for parameter in self._parameters]
        if not self.values:
            self.values = [weight.clone() for weight in weights]
        else:
            torch._foreach_lerp_(self.values, weights, 1.0 - self.momentum)

    def swap(self) -> None:
        """Exchange weights and averages in place."""
        for parameter, average in zip(self._parameters, self.values, strict=False):
            kept = parameter.detach().clone()
            parameter.detach().copy_(average)
            average.copy_(kept)
        self.swapped = not self.swapped

    def write(self) -> None:
        """Overwrite the weights by their averages."""
        for parameter, average in zip(self._parameters, self.values, strict=False):
            parameter.detach().copy_(average)
