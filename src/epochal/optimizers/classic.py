"""Gradient descent and the optimizers that came before Adam."""

from collections.abc import Sequence
from typing import Unpack

import torch
from torch import nn
from typing_extensions import override

from epochal.core.errors import UsageError
from epochal.optimizers import kernels
from epochal.optimizers.adaptive import check_fractions
from epochal.optimizers.base import Optimizer
from epochal.optimizers.keywords import OptimizerKeywords
from epochal.optimizers.rates import Rate

__all__ = ["SGD", "Adadelta", "Adagrad", "RMSprop", "Rprop"]


class SGD(Optimizer):
    """Gradient descent, with momentum if asked for.

    Args:
        learning_rate: A number, a schedule, or a function `step -> number`.
        momentum: How much of the last step each step keeps, from 0 to 1.
        nesterov: Whether momentum looks one step ahead; without momentum it changes nothing.
        **common: What every optimizer takes; see `Optimizer`.

    Raises:
        UsageError: If an argument is out of range.

    Example:
        >>> SGD(0.1, momentum=0.9).momentum
        0.9
    """

    def __init__(
        self,
        learning_rate: Rate = 0.01,
        momentum: float = 0.0,
        nesterov: bool = False,
        **common: Unpack[OptimizerKeywords],
    ) -> None:
        super().__init__(learning_rate, **common)
        if not 0.0 <= momentum <= 1.0:
            raise UsageError(f"SGD: momentum is {momentum}; give a number from 0 to 1")
        self.momentum = momentum
        self.nesterov = nesterov

    def _make(self, parameters: Sequence[nn.Parameter]) -> torch.optim.Optimizer:
        return torch.optim.SGD(
            parameters,
            lr=float(self.learning_rate),
            momentum=self.momentum,
            nesterov=self.nesterov and self.momentum > 0.0,
            **kernels.fused(parameters),
        )

    @override
    def _complete_state(self) -> None:
        # The fused kernel takes momentum of all weights or of none; from zero it begins as torch's.
        states = self.torch_optimizer.state
        if self.momentum > 0.0 and states:  # not in the first update
            for parameter in self._parameters:
                if parameter.grad is not None and states[parameter].get("momentum_buffer") is None:
                    states[parameter]["momentum_buffer"] = torch.zeros_like(parameter)


class RMSprop(Optimizer):
    """Steps divided by a running root mean square of the gradients.

    Tieleman and Hinton, 2012, lecture 6e of "Neural networks for machine learning".

    Args:
        learning_rate: A number, a schedule, or a function `step -> number`.
        rho: How much of the mean of squares each update keeps.
        momentum: How much of the last step each step keeps.
        epsilon: Added to the divisor.
        centered: Whether to take the gradients' variance in place of their mean square.
        **common: What every optimizer takes; see `Optimizer`.

    Raises:
        UsageError: If an argument is out of range.

    Example:
        >>> RMSprop().rho
        0.9
    """

    def __init__(
        self,
        learning_rate: Rate = 0.001,
        rho: float = 0.9,
        momentum: float = 0.0,
        epsilon: float = 1e-7,
        centered: bool = False,
        **common: Unpack[OptimizerKeywords],
    ) -> None:
        super().__init__(learning_rate, **common)
        check_fractions(self, rho=rho, momentum=momentum)
        self.rho = rho
        self.momentum = momentum
        self.epsilon = epsilon
        self.centered = centered

    def _make(self, parameters: Sequence[nn.Parameter]) -> torch.optim.Optimizer:
        return torch.optim.RMSprop(
            parameters,
            lr=float(self.learning_rate),
            alpha=self.rho,
            eps=self.epsilon,
            momentum=self.momentum,
            centered=self.centered,
            **kernels.foreach(parameters),
        )


class Adagrad(Optimizer):
    """Steps divided by the root of all squared gradients so far: for sparse features.

    Duchi, Hazan and Singer, 2011, http://www.jmlr.org/papers/v12/duchi11a.html.

    Args:
        learning_rate: A number, a schedule, or a function `step -> number`.
        initial_accumulator_value: What the sum of squares starts from, 0 or more.
        epsilon: Added to the divisor.
        **common: What every optimizer takes; see `Optimizer`.

    Raises:
        UsageError: If an argument is out of range.

    Example:
        >>> Adagrad().initial_accumulator_value
        0.1
    """

    def __init__(
        self,
        learning_rate: Rate = 0.001,
        initial_accumulator_value: float = 0.1,
        epsilon: float = 1e-7,
        **common: Unpack[OptimizerKeywords],
    ) -> None:
        super().__init__(learning_rate, **common)
        if initial_accumulator_value < 0.0:
            raise UsageError(
                f"Adagrad: initial_accumulator_value is {initial_accumulator_value}; give 0 or more"
            )
        self.initial_accumulator_value = initial_accumulator_value
        self.epsilon = epsilon

    def _make(self, parameters: Sequence[nn.Parameter]) -> torch.optim.Optimizer:
        return torch.optim.Adagrad(
            parameters,
            lr=float(self.learning_rate),
            initial_accumulator_value=self.initial_accumulator_value,
            eps=self.epsilon,
            **kernels.fused(parameters),
        )


class Adadelta(Optimizer):
    """Steps scaled by a running mean of earlier steps, in the weights' own units.

    Zeiler, 2012, https://arxiv.org/abs/1212.5701; the paper's learning rate is 1.0.

    Args:
        learning_rate: A number, a schedule, or a function `step -> number`.
        rho: How much of the means each update keeps.
        epsilon: Added under both roots.
        **common: What every optimizer takes; see `Optimizer`.

    Raises:
        UsageError: If an argument is out of range.

    Example:
        >>> Adadelta(1.0).rho
        0.95
    """

    def __init__(
        self,
        learning_rate: Rate = 0.001,
        rho: float = 0.95,
        epsilon: float = 1e-7,
        **common: Unpack[OptimizerKeywords],
    ) -> None:
        super().__init__(learning_rate, **common)
        check_fractions(self, rho=rho)
        self.rho = rho
        self.epsilon = epsilon

    def _make(self, parameters: Sequence[nn.Parameter]) -> torch.optim.Optimizer:
        return torch.optim.Adadelta(
            parameters,
            lr=float(self.learning_rate),
            rho=self.rho,
            eps=self.epsilon,
            **kernels.foreach(parameters),
        )


class Rprop(Optimizer):
    """Steps that grow while a gradient keeps its sign and shrink when it turns: for full batches.

    Riedmiller and Braun, 1993. Only the sign of the gradients counts, so that batches, whose
    gradients differ by chance, mislead it.

    Args:
        learning_rate: The first step of every weight; a change later on has no effect.
        etas: The factors by which steps shrink and grow.
        step_sizes: The smallest and the largest step.
        **common: What every optimizer takes; see `Optimizer`.

    Raises:
        UsageError: If an argument is out of range.

    Example:
        >>> Rprop().etas
        (0.5, 1.2)
    """

    def __init__(
        self,
        learning_rate: Rate = 0.01,
        etas: Sequence[float] = (0.5, 1.2),
        step_sizes: Sequence[float] = (1e-6, 50.0),
        **common: Unpack[OptimizerKeywords],
    ) -> None:
        super().__init__(learning_rate, **common)
        if len(etas) != 2 or not 0.0 < etas[0] < 1.0 < etas[1]:
            raise UsageError(f"Rprop: etas are {etas}; give one below 1 and one above")
        if len(step_sizes) != 2 or not 0.0 < step_sizes[0] <= step_sizes[1]:
            raise UsageError(f"Rprop: step_sizes are {step_sizes}; give a smallest and a largest")
        self.etas = etas
        self.step_sizes = step_sizes

    def _make(self, parameters: Sequence[nn.Parameter]) -> torch.optim.Optimizer:
        return torch.optim.Rprop(
            parameters,
            lr=float(self.learning_rate),
            etas=(self.etas[0], self.etas[1]),
            step_sizes=(self.step_sizes[0], self.step_sizes[1]),
            **kernels.foreach(parameters),
        )
