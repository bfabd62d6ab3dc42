"""Optimizers that give every weight a step of its own, by averages of its gradients."""

from collections.abc import Sequence
from typing import ClassVar, Unpack

import torch
from torch import nn

from epochal.core.errors import UsageError
from epochal.optimizers import kernels
from epochal.optimizers.base import Optimizer
from epochal.optimizers.keywords import KeywordsWithoutDecay, OptimizerKeywords
from epochal.optimizers.rates import Rate

__all__ = ["Adafactor", "Adam", "AdamW", "Adamax", "Nadam"]


def check_fractions(optimizer: Optimizer, **values: float) -> None:
    """Refuse decay rates that are not from 0 to 1."""
    for name, value in values.items():
        if not 0.0 <= value < 1.0:
            raise UsageError(
                f"{type(optimizer).__name__}: {name} is {value}; give a number from 0 up to, not "
                "including, 1"
            )


class Adam(Optimizer):
    """Steps scaled by running means of gradients and their squares: the usual first choice.

    Kingma and Ba, 2014, https://arxiv.org/abs/1412.6980.

    Args:
        learning_rate: A number, a schedule, or a function `step -> number`.
        beta_1: How much of the gradients' mean each update keeps.
        beta_2: How much of the mean of their squares each update keeps.
        epsilon: Added to the divisor.
        amsgrad: Whether to divide by the largest mean of squares seen so far.
        **common: What every optimizer takes; see `Optimizer`.

    Raises:
        UsageError: If an argument is out of range.

    Example:
        >>> optimizer = Adam(0.01)
        >>> optimizer.learning_rate = 0.02
        >>> optimizer.learning_rate
        0.02
    """

    _kernel_decays: ClassVar[bool] = True

    def __init__(
        self,
        learning_rate: Rate = 0.001,
        beta_1: float = 0.9,
        beta_2: float = 0.999,
        epsilon: float = 1e-7,
        amsgrad: bool = False,
        **common: Unpack[OptimizerKeywords],
    ) -> None:
        super().__init__(learning_rate, **common)
        check_fractions(self, beta_1=beta_1, beta_2=beta_2)
        self.beta_1 = beta_1
        self.beta_2 = beta_2
        self.epsilon = epsilon
        self.amsgrad = amsgrad

    def _make(self, parameters: Sequence[nn.Parameter]) -> torch.optim.Optimizer:
        # torch's Adam mixes weight decay into the gradient; its AdamW is the decoupled one.
        algorithm = torch.optim.AdamW if self.weight_decay else torch.optim.Adam
        return algorithm(
            parameters,
            lr=float(self.learning_rate),
            betas=(self.beta_1, self.beta_2),
            eps=self.epsilon,
            weight_decay=self.weight_decay or 0.0,
            amsgrad=self.amsgrad,
            **kernels.fused(parameters),
        )


class AdamW(Adam):
    """Adam with weight decay, apart from the gradient: for large models and long training.

    Loshchilov and Hutter, 2017, https://arxiv.org/abs/1711.05101.

    Args:
        learning_rate: A number, a schedule, or a function `step -> number`.
        weight_decay: Each update shrinks weights by `weight_decay * learning_rate` of themselves.
        beta_1: How much of the gradients' mean each update keeps.
        beta_2: How much of the mean of their squares each update keeps.
        epsilon: Added to the divisor.
        amsgrad: Whether to divide by the largest mean of squares seen so far.
        **common: What every optimizer takes; see `Optimizer`.

    Raises:
        UsageError: If an argument is out of range.

    Example:
        >>> AdamW().weight_decay
        0.004
    """

    def __init__(
        self,
        learning_rate: Rate = 0.001,
        weight_decay: float = 0.004,
        beta_1: float = 0.9,
        beta_2: float = 0.999,
        epsilon: float = 1e-7,
        amsgrad: bool = False,
        **common: Unpack[KeywordsWithoutDecay],
    ) -> None:
        super().__init__(
            learning_rate, beta_1, beta_2, epsilon, amsgrad, weight_decay=weight_decay, **common
        )


class Adamax(Optimizer):
    """Adam with the largest recent gradient in place of the mean of squares.

    Kingma and Ba, 2014, section 7, https://arxiv.org/abs/1412.6980.

    Args:
        learning_rate: A number, a schedule, or a function `step -> number`.
        beta_1: How much of the gradients' mean each update keeps.
        beta_2: How slowly the largest gradient is forgotten.
        epsilon: Added to the divisor.
        **common: What every optimizer takes; see `Optimizer`.

    Raises:
        UsageError: If an argument is out of range.

    Example:
        >>> Adamax().beta_2
        0.999
    """

    def __init__(
        self,
        learning_rate: Rate = 0.001,
        beta_1: float = 0.9,
        beta_2: float = 0.999,
        epsilon: float = 1e-7,
        **common: Unpack[OptimizerKeywords],
    ) -> None:
        super().__init__(learning_rate, **common)
        check_fractions(self, beta_1=beta_1, beta_2=beta_2)
        self.beta_1 = beta_1
        self.beta_2 = beta_2
        self.epsilon = epsilon

    def _make(self, parameters: Sequence[nn.Parameter]) -> torch.optim.Optimizer:
        return torch.optim.Adamax(
            parameters,
            lr=float(self.learning_rate),
            betas=(self.beta_1, self.beta_2),
            eps=self.epsilon,
            **kernels.foreach(parameters),
        )


class Nadam(Optimizer):
    """Adam with Nesterov's momentum, which looks one step ahead.

    Dozat, 2016, http://cs229.stanford.edu/proj2015/054_report.pdf.

    Args:
        learning_rate: A number, a schedule, or a function `step -> number`.
        beta_1: How much of the gradients' mean each update keeps, in the end; it starts at half.
        beta_2: How much of the mean of their squares each update keeps.
        epsilon: Added to the divisor.
        **common: What every optimizer takes; see `Optimizer`.

    Raises:
        UsageError: If an argument is out of range.

    Example:
        >>> Nadam(clipnorm=1.0).clipnorm
        1.0
    """

    _kernel_decays: ClassVar[bool] = True

    def __init__(
        self,
        learning_rate: Rate = 0.001,
        beta_1: float = 0.9,
        beta_2: float = 0.999,
        epsilon: float = 1e-7,
        **common: Unpack[OptimizerKeywords],
    ) -> None:
        super().__init__(learning_rate, **common)
        check_fractions(self, beta_1=beta_1, beta_2=beta_2)
        self.beta_1 = beta_1
        self.beta_2 = beta_2
        self.epsilon = epsilon

    def _make(self, parameters: Sequence[nn.Parameter]) -> torch.optim.Optimizer:
        return torch.optim.NAdam(
            parameters,
            lr=float(self.learning_rate),
            betas=(self.beta_1, self.beta_2),
            eps=self.epsilon,
            weight_decay=self.weight_decay or 0.0,
            # Keras warms momentum up by 0.96**step, torch by 0.96**(step * momentum_decay).
            momentum_decay=1.0,
            decoupled_weight_decay=True,
            **kernels.foreach(parameters),
        )


class Adafactor(Optimizer):
    """Adam's idea in little memory: one number per row and column in place of one per weight.

    Shazeer and Stern, 2018, https://arxiv.org/abs/1804.04235. Every update reads the weights'
    norms back from the device, so it costs a wait on a GPU.

    Args:
        learning_rate: A number, a schedule, or a function `step -> number`; no larger than
            `1 / sqrt(step)` is used.
        beta_2_decay: How the memory of squares grows with the steps, below 0.
        epsilon_1: Kept as the least mean of squares.
        epsilon_2: The least size of weights that steps are scaled by.
        clip_threshold: The largest root mean square of an update, 1 or more.
        relative_step: Kept for Keras; torch and Keras bound the rate by `1 / sqrt(step)` anyway.
        **common: What every optimizer takes; see `Optimizer`.

    Raises:
        UsageError: If an argument is out of range.

    Example:
        >>> Adafactor().beta_2_decay
        -0.8
    """

    def __init__(
        self,
        learning_rate: Rate = 0.001,
        beta_2_decay: float = -0.8,
        epsilon_1: float = 1e-30,
        epsilon_2: float = 0.001,
        clip_threshold: float = 1.0,
        relative_step: bool = True,
        **common: Unpack[OptimizerKeywords],
    ) -> None:
        super().__init__(learning_rate, **common)
        if clip_threshold < 1.0:
            raise UsageError(f"Adafactor: clip_threshold is {clip_threshold}; give 1 or more")
        if beta_2_decay > 0.0:
            raise UsageError(f"Adafactor: beta_2_decay is {beta_2_decay}; give 0 or less")
        self.beta_2_decay = beta_2_decay
        self.epsilon_1 = epsilon_1
        self.epsilon_2 = epsilon_2
        self.clip_threshold = clip_threshold
        self.relative_step = relative_step

    def _make(self, parameters: Sequence[nn.Parameter]) -> torch.optim.Optimizer:
        return torch.optim.Adafactor(
            parameters,
            lr=float(self.learning_rate),
            beta2_decay=self.beta_2_decay,
            # torch squares its epsilon where Keras adds one to the squares.
            eps=(self.epsilon_1**0.5, self.epsilon_2),
            d=self.clip_threshold,
            **kernels.foreach(parameters),
        )
