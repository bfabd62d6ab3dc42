"""Updates by gradients that somebody else has computed, in Keras' words."""

from abc import abstractmethod
from collections.abc import Callable, Iterable, Sequence

import torch
from torch import Tensor, nn

from epochal.core.config import Configurable
from epochal.core.errors import UsageError

__all__ = ["TakesGradients"]


class TakesGradients(Configurable):
    """The half of `Optimizer` that is given gradients instead of finding them in `.grad`."""

    name: str
    built: bool
    _parameters: list[nn.Parameter]

    @abstractmethod
    def build(
        self,
        named_parameters: Iterable[tuple[str, nn.Parameter]],
        after_update: Callable[[], None] | None = None,
    ) -> None:
        """Take charge of a model's weights."""

    @property
    @abstractmethod
    def torch_optimizer(self) -> torch.optim.Optimizer:
        """The optimizer of torch that makes the updates."""

    @abstractmethod
    def step(self) -> None:
        """Update the weights by what lies in `.grad`."""

    def apply(
        self,
        grads: Sequence[Tensor | None],
        trainable_variables: Sequence[nn.Parameter] | None = None,
    ) -> None:
        """Update weights by gradients that are given: Keras' way in a step of one's own.

        The first call of an optimizer that belongs to no compiled model takes charge of the
        weights it is given, as in a model with two optimizers.

        Args:
            grads: One for each weight; None for one that is left as it is.
            trainable_variables: The weights; those of the optimizer if not given.

        Raises:
            UsageError: If the numbers differ, or a weight is another optimizer's.

        Example:
            >>> import epochal
            >>> weight = nn.Parameter(torch.ones(1))
            >>> epochal.optimizers.SGD(0.5).apply([torch.ones(1)], [weight])
            >>> weight.item()
            0.5
        """
        weights = self._parameters if trainable_variables is None else list(trainable_variables)
        if not self.built:
            self.build((f"weight_{place}", weight) for place, weight in enumerate(weights))
        if len(grads) != len(weights):
            raise UsageError(
                f"{self.name}.apply: got {len(grads)} gradients for {len(weights)} weights; give "
                "one for each"
            )
        held = {id(parameter) for parameter in self._parameters}
        if any(id(weight) not in held for weight in weights):
            raise UsageError(
                f"{self.name}.apply: got a weight that this optimizer does not have; use one "
                "optimizer for each set of weights"
            )
        for parameter in self._parameters:
            parameter.grad = None
        for weight, gradient in zip(weights, grads, strict=True):
            weight.grad = gradient
        self.step()

    def zero_grad(self, set_to_none: bool = True) -> None:
        """Clear gradients, as torch's optimizers do; `step` has done so after every update."""
        self.torch_optimizer.zero_grad(set_to_none)

    def apply_gradients(self, grads_and_vars: Iterable[tuple[Tensor | None, nn.Parameter]]) -> None:
        """Update weights by pairs of a gradient and its weight; see `apply`."""
        pairs = list(grads_and_vars)
        self.apply([gradient for gradient, _ in pairs], [weight for _, weight in pairs])
