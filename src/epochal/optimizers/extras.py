"""What Keras does around an update: scaling, accumulation, clipping, decay, averages."""

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from epochal.optimizers import gradients, state
from epochal.optimizers.averages import Averages

if TYPE_CHECKING:
    from epochal.optimizers.base import Optimizer

__all__ = ["Extras"]


class Extras:
    """The pieces that one optimizer was asked for, at work on its weights.

    Args:
        optimizer: The optimizer, for its arguments.
        decay: Its weight decay, unless torch's algorithm sees to that.
        parameters: Its weights.
    """

    def __init__(
        self, optimizer: "Optimizer", decay: float | None, parameters: list[nn.Parameter]
    ) -> None:
        self.after_update: Callable[[], None] | None = None
        self.averages: Averages | None = None
        if optimizer.use_ema:
            self.averages = Averages(parameters, optimizer.ema_momentum)
        self._accumulator: gradients.Accumulator | None = None
        if optimizer.gradient_accumulation_steps is not None:
            steps = optimizer.gradient_accumulation_steps
            self._accumulator = gradients.Accumulator(parameters, steps)
        self._overwrite_every = optimizer.ema_overwrite_frequency
        self._scale = optimizer.loss_scale_factor
        self._decay = decay
        self._parameters = parameters
        clips = (
            (gradients.clip_by_norm, optimizer.clipnorm),
            (gradients.clip_by_value, optimizer.clipvalue),
            (gradients.clip_by_global_norm, optimizer.global_clipnorm),
        )
        self._clip = next(((clip, limit) for clip, limit in clips if limit is not None), None)

    @property
    def needed(self) -> bool:
        """Whether there is anything to do."""
        pieces = (self._scale, self._accumulator, self._clip, self._decay, self.averages)
        return any(piece is not None for piece in (*pieces, self.after_update))

    def gather(self) -> bool:
        """Take in one batch's gradients, and return whether an update is due."""
        found = self._gradients()
        if self._scale is not None and found:
            torch._foreach_div_(found, self._scale)
        return self._accumulator is None or self._accumulator.add()

    def clip(self) -> None:
        """Bring the gradients of an update into their limits."""
        if self._clip is None:
            return
        found = self._gradients()
        if found:
            clip, limit = self._clip
            clip(found, limit)

    def _gradients(self) -> list[Tensor]:
        return [p.grad for p in self._parameters if p.grad is not None]

    def decay(self, rate: float) -> None:
        """Shrink the weights that are about to be updated."""
        weights: list[Tensor] = [p for p in self._parameters if p.grad is not None]
        if self._decay and weights:
            torch._foreach_mul_(weights, 1.0 - self._decay * rate)

    def finish(self, iterations: int) -> None:
        """Constrain the weights, then take them into the averages."""
        if self.after_update is not None:
            self.after_update()
        if self.averages is None:
            return
        self.averages.update()
        if self._overwrite_every is not None and iterations % self._overwrite_every == 0:
            self.averages.write()
            if self.after_update is not None:
                self.after_update()

    def state_dict(self, named: Mapping[str, nn.Parameter]) -> dict[str, Any]:
        """Return gradients of an unfinished round, and averages, by the names of weights."""
        saved: dict[str, Any] = {}
        if self._accumulator is not None:
            saved["waiting_batches"] = self._accumulator.waiting
            saved |= state.named_tensors(named, "accumulated_gradient", self._accumulator.sums)
        if self.averages is not None:
            saved["averages_swapped"] = self.averages.swapped
            saved |= state.named_tensors(named, "ema_average", self.averages.values)
        return saved

    def load_state_dict(self, named: Mapping[str, nn.Parameter], saved: Mapping[str, Any]) -> None:
        """Go on from what `state_dict` returned."""
        if self._accumulator is not None:
            self._accumulator.waiting = int(saved.get("waiting_batches", 0))
            self._accumulator.sums = state.by_name(named, "accumulated_gradient", saved)
        if self.averages is not None:
            self.averages.swapped = bool(saved.get("averages_swapped", False))
            values = state.by_name(named, "ema_average", saved)
            self.averages.values = [value for value in values if value is not None]
