"""What an initializer is, and those that draw nothing."""

from collections.abc import Sequence
from typing import Any, Never

import numpy as np
import torch
from torch import Tensor, nn

from epochal.core.config import Configurable
from epochal.core.errors import UsageError, reject_unknown

__all__ = ["Constant", "Identity", "Initializer", "Ones", "Zeros"]


class Initializer(Configurable):
    """Base of everything that makes the first values of a weight.

    Use it to write your own: override `fill`, or pass any `f(shape, dtype=...)` where an
    initializer is asked for.

    Example:
        >>> class Twos(Initializer):
        ...     def fill(self, values):
        ...         values.fill_(2.0)
        >>> Twos()((2,))
        tensor([2., 2.])
    """

    def __call__(
        self,
        shape: Sequence[int],
        dtype: torch.dtype = torch.float32,
        device: torch.device | str | None = None,
    ) -> Tensor:
        """Return new values.

        Args:
            shape: The weight's shape in Keras' layout.
            dtype: Of the values.
            device: Where they go; the default device if `None`. On `"meta"` nothing is drawn, so
                no random number is used up.

        Returns:
            A tensor of that shape.
        """
        device = torch.device(device) if device is not None else torch.get_default_device()
        if device.type == "meta":
            return torch.empty(tuple(shape), dtype=dtype, device=device)
        values = torch.empty(tuple(shape), dtype=dtype, device="cpu")
        with torch.no_grad():
            self.fill(values)
        return values.to(device)

    def fill(self, values: Tensor) -> None:
        """Write the first values into `values`, in place."""
        raise NotImplementedError(f"{type(self).__name__} has no `fill(values)`; write one")


class Zeros(Initializer):
    """All zeros, the default of every bias.

    Example:
        >>> Zeros()((2,))
        tensor([0., 0.])
    """

    def __init__(self, **unknown: Never) -> None:
        reject_unknown(Zeros.__init__, unknown)

    def fill(self, values: Tensor) -> None:
        """Write zeros."""
        values.zero_()


class Ones(Initializer):
    """All ones, the default of every normalisation's scale.

    Example:
        >>> Ones()((2,))
        tensor([1., 1.])
    """

    def __init__(self, **unknown: Never) -> None:
        reject_unknown(Ones.__init__, unknown)

    def fill(self, values: Tensor) -> None:
        """Write ones."""
        values.fill_(1.0)


class Constant(Initializer):
    """One number everywhere, or a whole array (such as pretrained embeddings).

    Args:
        value: A number, or anything `np.asarray` takes that broadcasts to the weight's shape.

    Example:
        >>> Constant([[1.0, 2.0]])((2, 2))
        tensor([[1., 2.],
                [1., 2.]])
    """

    def __init__(self, value: Any = 0.0, **unknown: Never) -> None:
        reject_unknown(Constant.__init__, unknown)
        self.value = value

    def fill(self, values: Tensor) -> None:
        """Write the value, broadcast."""
        values.copy_(torch.as_tensor(np.asarray(self.value)))

    def get_config(self) -> dict[str, Any]:
        """Return the value, an array as nested lists."""
        return {"value": np.asarray(self.value).tolist()}


class Identity(Initializer):
    """The identity matrix, for square or rectangular matrices.

    Args:
        gain: Multiplies the matrix.

    Example:
        >>> Identity(2.0)((2, 2))
        tensor([[2., 0.],
                [0., 2.]])
    """

    def __init__(self, gain: float = 1.0, **unknown: Never) -> None:
        reject_unknown(Identity.__init__, unknown)
        self.gain = gain

    def fill(self, values: Tensor) -> None:
        """Write the matrix."""
        if values.dim() != 2:
            raise UsageError(f"Identity: got shape {tuple(values.shape)}; expected two axes")
        nn.init.eye_(values)
        values.mul_(self.gain)
