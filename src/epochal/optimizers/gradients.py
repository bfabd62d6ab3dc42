"""What happens to gradients before an update: clipping and accumulation."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

__all__ = ["Accumulator", "clip_by_global_norm", "clip_by_norm", "clip_by_value"]

# The `_foreach` functions are what torch's own optimizers and clipping are built from: one call
# for all weights, on a GPU one kernel.


def clip_by_norm(gradients: list[Tensor], limit: float) -> None:
    """Shorten, in place, each gradient whose norm is above `limit`."""
    norms = torch._foreach_norm(gradients)
    torch._foreach_clamp_min_(norms, limit)
    # norm / limit is exactly 1 for what is short enough, so that its bits stay as they are.
    torch._foreach_div_(norms, limit)
    torch._foreach_div_(gradients, norms)


def clip_by_global_norm(gradients: list[Tensor], limit: float) -> None:
    """Shorten, in place, all gradients alike if their common norm is above `limit`."""
    total = torch.nn.utils.get_total_norm(gradients)
    factor = (total / limit).clamp_min(1.0)
    torch._foreach_div_(gradients, factor)


def clip_by_value(gradients: list[Tensor], limit: float) -> None:
    """Bring, in place, every entry into `[-limit, limit]`."""
    torch._foreach_clamp_min_(gradients, -limit)
    torch._foreach_clamp_max_(gradients, limit)


class Accumulator:
    """Sums the gradients of several batches, so that they make one update of their mean.

    Args:
        parameters: The weights.
        steps: Batches per update.
    """

    def __init__(self, parameters: Sequence[nn.Parameter], steps: int) -> None:
        self.steps = steps
        self.waiting = 0
        self.sums: list[Tensor | None] = [None] * len(parameters)
        self._parameters = parameters

    def add(self) -> bool:
        """Take in one batch's gradients.

        Returns:
            Whether it was the last of its round; `.grad` then holds the mean over the round.
        """
        self.waiting += 1
        last = self.waiting == self.steps
        for i, parameter in enumerate(self._parameters):
            total = self.sums[i]
            if parameter.grad is None:
                if last and total is not None:
                    parameter.grad = total
            elif total is None:
                # A copy: data-parallel wrappers hand out views that the next batch overwrites.
                self.sums[i] = None if last else parameter.grad.clone()
            elif last:
                parameter.grad.add_(total)
            else:
                total.add_(parameter.grad)
            if last and parameter.grad is not None:
                parameter.grad.div_(self.steps)
                self.sums[i] = None
        if last:
            self.waiting = 0
        return last
