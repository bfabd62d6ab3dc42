"""A whole training step as one CUDA graph: one launch instead of hundreds.

A GPU runs the kernels of a small step faster than Python can launch them. A graph is recorded once
and replayed with new values in the same memory: inputs are copied into it, weights and the
optimizer's state are changed where they lie, what comes out is copied away.
"""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from epochal.core.trees import flatten, map_leaves
from epochal.data import Batch
from epochal.layers import Layer
from epochal.optimizers import Optimizer
from epochal.training.jit import Computed, Weights

__all__ = ["GraphStep", "is_safe", "record"]

Step = Callable[[], Computed]

_WARM_UP = 3  # plain steps before a recording: libraries choose their kernels in the first ones
_GRAPHS = 2  # shapes that are recorded; each keeps the memory of one step
_SLACK = 1e-3


def is_safe(model: nn.Module) -> bool:
    """Whether nothing but kernels happens in a model's forward, as far as can be told.

    A replay runs no Python: a counter in a module of the user's own would stand still, and a hook
    would not be called. So only modules of torch and of this library are recorded unasked.
    """
    for module in model.modules():
        home = type(module).__module__
        known = home.startswith(("torch.nn.", "epochal.layers.")) or home in (
            "epochal.models.model",
            "epochal.models.sequential",
        )
        hooked = module._forward_hooks or module._forward_pre_hooks or module._backward_hooks
        draws = isinstance(module, Layer) and vars(module).get("seed") is not None
        if not known or hooked or draws:
            return False
    return True


def record(step: Step) -> Step:
    """Return what replays `step` on the GPU; its results lie where they lay before."""
    graph = torch.cuda.CUDAGraph()
    # Threads that pin memory for a DataLoader must not end the recording.
    with torch.cuda.graph(graph, capture_error_mode="thread_local"):
        computed = step()

    def replay() -> Computed:
        graph.replay()
        return computed

    return replay


class GraphStep:
    """Training steps replayed from recordings, one for each of a few shapes of batches.

    The first replay is compared with a plain step from the same weights; where it differs, or the
    step cannot be recorded, training goes on plainly.

    Args:
        whole: The module that `forward(x, y, sample_weight)` gives a batch's loss, losses of single
            outputs and outputs; the model is a part of it.
        optimizer: Its optimizer.
        recorder: Makes a replay of a step.
    """

    def __init__(
        self, whole: nn.Module, optimizer: Optimizer, recorder: Callable[[Step], Step] = record
    ) -> None:
        self._whole = whole
        self._optimizer = optimizer
        self._recorder = recorder
        self._weights = Weights(whole)
        self._seen: dict[Any, int] = {}
        self._replays: dict[Any, tuple[Batch, Step]] = {}
        self._rate: Tensor | None = None
        self.works = True
        """Whether steps are recorded, as far as has been tried."""

    def train(self, batch: Batch) -> Computed | None:
        """Train on a batch, the update included; None if a plain step has to do it."""
        direct = self._optimizer.direct
        if not self.works or direct is None or not direct.stands:
            return None
        if not self._weights.present:  # other weights, or others of them frozen
            self._weights = Weights(self._whole)
            self._replays.clear()
        shapes = tuple((leaf.shape, leaf.dtype) for leaf in flatten(list(batch)))
        found = self._replays.get(shapes)
        if found is None:
            seen = self._seen[shapes] = self._seen.get(shapes, 0) + 1
            if seen <= _WARM_UP or len(self._replays) >= _GRAPHS:
                return None
            return self._record(shapes, batch)
        inputs, replay = found
        self._set_rate()
        for place, value in zip(flatten(list(inputs)), flatten(list(batch)), strict=True):
            place.copy_(value, non_blocking=True)
        loss, parts, outputs = replay()
        self._optimizer.count_update()
        # Copies: the next replay writes over them, and whoever reads logs may come later.
        return loss.clone(), [part.clone() for part in parts], map_leaves(Tensor.clone, outputs)

    def test(self, batch: Batch) -> None:
        """Leave evaluations to plain steps: nothing in them is worth the memory of a graph."""

    def _set_rate(self) -> None:
        rate = float(self._optimizer.torch_optimizer.param_groups[0]["lr"])
        if self._rate is None:
            first = next(self._whole.parameters())
            self._rate, self._rate_now = torch.tensor(rate, device=first.device), rate
        elif rate != self._rate_now:
            self._rate.fill_(rate)
            self._rate_now = rate

    def _record(self, shapes: Any, batch: Batch) -> Computed | None:
        """Train on a batch plainly, record the step, and see that a replay does the same."""
        inputs: Batch = tuple(map_leaves(Tensor.clone, list(batch)))
        self._set_rate()
        live = self._live()
        before = [value.clone() for value in live]
        generators = torch.cuda.get_rng_state() if before[0].is_cuda else None
        loss, parts, outputs = self._step(inputs)
        computed = loss.clone(), [p.clone() for p in parts], map_leaves(Tensor.clone, outputs)
        after = [value.clone() for value in live]
        self._put(before, live)
        if generators is not None:
            torch.cuda.set_rng_state(generators)
        try:
            replay = self._recorder(lambda: self._step(inputs))
            replay()
            same = all(
                torch.allclose(value, expected, _SLACK, 1e-6, equal_nan=True)
                for value, expected in zip(live, after, strict=True)
            )
        except RuntimeError:  # it reads from the device, or does what a graph cannot hold
            same = False
        if same:
            self._replays[shapes] = inputs, replay
        else:
            self.works = False
            self._put(after, live)
        self._optimizer.count_update()
        return computed

    def _step(self, inputs: Batch) -> Computed:
        direct = self._optimizer.direct
        assert direct is not None  # asked in `train`
        assert self._rate is not None
        loss, parts, outputs = self._whole(*inputs)
        loss.backward()
        direct.update(self._rate)
        for parameter in self._whole.parameters():
            parameter.grad = None
        return loss.detach(), parts, map_leaves(Tensor.detach, outputs)

    def _live(self) -> list[Tensor]:
        """Return every tensor that a step changes in place."""
        direct = self._optimizer.direct
        states = [] if direct is None else direct.tensors
        return [*self._weights.trained.values(), *self._weights.others.values(), *states]

    @staticmethod
    def _put(values: list[Tensor], live: list[Tensor]) -> None:
        with torch.no_grad():
            for place, value in zip(live, values, strict=True):
                place.copy_(value)
