"""Updates straight through torch's fused kernels: the same numbers as `torch.optim`, less Python.

`torch.optim.Adam(fused=True).step()` groups its tensors anew at every step, which takes longer than
the arithmetic of a small net: 28 us against 4 us for the four weights of a 2-100-1 net. The lists
are the same at every step, so they are kept here; torch's optimizer still owns the state.
"""

from abc import ABC, abstractmethod
from typing import Any, Self

import torch
from torch import Tensor
from torch.autograd import profiler
from torch.optim.optimizer import (
    _global_optimizer_post_hooks,
    _global_optimizer_pre_hooks,
)
from typing_extensions import override

__all__ = ["DirectUpdate", "direct_update"]


class DirectUpdate(ABC):
    """The lists that one fused kernel needs, gathered from a torch optimizer.

    Args:
        optimizer: The torch optimizer, which has made its state by a first step of its own.
    """

    def __init__(self, optimizer: torch.optim.Optimizer) -> None:
        self._optimizer = optimizer
        self._group: dict[str, Any] = optimizer.param_groups[0]
        self._parameters: list[Tensor] = list(self._group["params"])
        self._first = optimizer.state.get(self._parameters[0])

    @classmethod
    def of(cls, optimizer: torch.optim.Optimizer) -> Self | None:
        """Return the update of an optimizer, or None if only its own `step` can do it."""
        group = optimizer.param_groups[0]
        parameters = [p for p in group["params"] if p.requires_grad]
        alike = {(p.device, p.dtype) for p in parameters}
        plain = len(optimizer.param_groups) == 1 and len(alike) == 1
        if not plain or len(parameters) != len(group["params"]):
            return None
        usual = group.get("fused") and not (group["maximize"] or group["differentiable"])
        return cls(optimizer) if usual and cls.has_state(optimizer, parameters) else None

    @staticmethod
    @abstractmethod
    def has_state(optimizer: torch.optim.Optimizer, parameters: list[Tensor]) -> bool:
        """Whether the optimizer remembers everything that the kernel reads."""

    @property
    def parameters(self) -> list[Tensor]:
        """The weights, in the order of their gradients."""
        return self._parameters

    @property
    @abstractmethod
    def tensors(self) -> list[Tensor]:
        """What the optimizer remembers, changed in place by every update."""

    @abstractmethod
    def run(self, rate: float | Tensor, gradients: list[Tensor]) -> None:
        """Update all weights in place."""

    @property
    def stands(self) -> bool:
        """Whether the lists are still those of the optimizer, and nobody wants its own `step`."""
        optimizer = self._optimizer
        return not (
            optimizer.state.get(self._parameters[0]) is not self._first  # a state was loaded
            or len(optimizer.param_groups) != 1
            or optimizer._optimizer_step_pre_hooks
            or optimizer._optimizer_step_post_hooks
            or _global_optimizer_pre_hooks
            or _global_optimizer_post_hooks
            or profiler._is_profiler_enabled  # a trace names the step
        )

    def __call__(self) -> bool:
        """Update, or return False (and do nothing) where `torch.optim` has to do it."""
        rate = self._group["lr"]
        return self.stands and not isinstance(rate, Tensor) and self.update(rate)

    def take(self, gradients: list[Tensor]) -> bool:
        """Update by gradients that are in nobody's `.grad`, or return False as a call does.

        Args:
            gradients: One for each of `parameters`, in the same order of memory.
        """
        rate = self._group["lr"]
        if not self.stands or isinstance(rate, Tensor):
            return False
        with torch.no_grad():
            self.run(rate, gradients)
        return True

    def update(self, rate: float | Tensor) -> bool:
        """Update with a learning rate, or return False where a weight has no gradient."""
        gradients = [p.grad for p in self._parameters]
        if any(g is None or g.is_sparse for g in gradients):
            return False
        with torch.no_grad():
            self.run(rate, gradients)  # type: ignore[arg-type]  # none is None
        return True


class DirectAdam(DirectUpdate):
    """Adam and AdamW."""

    def __init__(self, optimizer: torch.optim.Optimizer) -> None:
        super().__init__(optimizer)
        states = [optimizer.state[p] for p in self._parameters]
        # Every weight counts its own steps; as views of one tensor they are counted by one kernel.
        self._counts = torch.stack([state["step"] for state in states])
        for index, state in enumerate(states):
            state["step"] = self._counts[index]
        self._steps = [state["step"] for state in states]
        self._means = [state["exp_avg"] for state in states]
        self._squares = [state["exp_avg_sq"] for state in states]
        amsgrad = self._group["amsgrad"]
        self._largest = [state["max_exp_avg_sq"] for state in states] if amsgrad else []
        # Adam has had the entry since AdamW became one; before that the class tells.
        adamw = type(optimizer) is torch.optim.AdamW
        decoupled = self._group.get("decoupled_weight_decay", adamw)
        self._kernel = torch._fused_adamw_ if decoupled else torch._fused_adam_

    @staticmethod
    @override
    def has_state(optimizer: torch.optim.Optimizer, parameters: list[Tensor]) -> bool:
        # Weights that were thawed later have counted fewer steps, which is all right.
        return all("exp_avg" in optimizer.state.get(p, ()) for p in parameters)

    @property
    @override
    def tensors(self) -> list[Tensor]:
        return [self._counts, *self._means, *self._squares, *self._largest]

    @override
    def run(self, rate: float | Tensor, gradients: list[Tensor]) -> None:
        group = self._group
        beta_1, beta_2 = group["betas"]
        self._counts += 1
        self._kernel(
            self._parameters,
            gradients,
            self._means,
            self._squares,
            self._largest,
            self._steps,
            lr=rate,
            beta1=beta_1,
            beta2=beta_2,
            weight_decay=group["weight_decay"],
            eps=group["eps"],
            amsgrad=group["amsgrad"],
            maximize=False,
            grad_scale=None,
            found_inf=None,
        )


class DirectSGD(DirectUpdate):
    """Gradient descent with and without momentum."""

    def __init__(self, optimizer: torch.optim.Optimizer) -> None:
        super().__init__(optimizer)
        momentum = self._group["momentum"] != 0
        states = [optimizer.state[p] for p in self._parameters] if momentum else []
        self._buffers = [state["momentum_buffer"] for state in states]

    @staticmethod
    @override
    def has_state(optimizer: torch.optim.Optimizer, parameters: list[Tensor]) -> bool:
        if optimizer.param_groups[0]["momentum"] == 0:
            return True
        found = [optimizer.state.get(p, {}).get("momentum_buffer") for p in parameters]
        return all(buffer is not None for buffer in found)

    @property
    @override
    def tensors(self) -> list[Tensor]:
        return list(self._buffers)

    @override
    def run(self, rate: float | Tensor, gradients: list[Tensor]) -> None:
        group = self._group
        torch._fused_sgd_(
            self._parameters,
            gradients,
            self._buffers,
            weight_decay=group["weight_decay"],
            momentum=group["momentum"],
            lr=rate,
            dampening=group["dampening"],
            nesterov=group["nesterov"],
            maximize=False,
            is_first_step=False,
            grad_scale=None,
            found_inf=None,
        )


_KERNELS: dict[type, type[DirectUpdate]] = {
    torch.optim.Adam: DirectAdam,
    torch.optim.AdamW: DirectAdam,
    torch.optim.SGD: DirectSGD,
}


def direct_update(optimizer: torch.optim.Optimizer) -> DirectUpdate | None:
    """Return a faster way to make the updates of `optimizer`, or None if there is none.

    Args:
        optimizer: A torch optimizer that has made at least one step, so that it has its state.
    """
    kernel = _KERNELS.get(type(optimizer))
    return None if kernel is None else kernel.of(optimizer)
