"""Forward, loss, gradients and update as one compiled step, made by `torch.compile`.

A step of a small net spends most of its time between its kernels: in Python, and in the engine that
walks back through the graph. `torch.compile` follows the model's forward and its loss, and sees to
it that what it recorded is still true at every step; what it recorded becomes one graph with the
gradients (`differentiate.py`), and these go straight to the optimizer's kernel.
"""

import itertools
import warnings
from collections.abc import Callable, Sequence
from types import FunctionType
from typing import Any, Literal, NamedTuple

import torch
from torch import Tensor, fx, nn

from epochal.core.trees import flatten, map_leaves
from epochal.data import Batch
from epochal.optimizers import Optimizer
from epochal.training.differentiate import OPTIONS, Differentiated

__all__ = ["Computed", "CompiledStep", "Weights"]

Computed = tuple[Tensor, list[Tensor], Any]
"""What a batch gave: the loss, the losses of single outputs, the model's outputs."""

Step = Callable[..., Computed]

# Batches of more shapes than these are trained on plainly: each costs a compilation of its own.
_SHAPES = 4


def _worth_asking(guards: Sequence[Any]) -> list[bool]:
    """Say which of its assumptions torch has to check again before every step.

    All that it made about the model, the loss and the user's own modules; not that the functions
    and constants in torch's modules and in ours are still the same. These were a third of all.
    """
    fixed = ("G['__import_torch_", "G['__import_epochal_", "G['__builtins_")
    return [not guard.name.startswith(fixed) or "_global_" in guard.name for guard in guards]


# torch takes such a function since it has the ones that are looked for here.
_GUARDS: dict[str, Any] = (
    {"guard_filter_fn": _worth_asking}
    if "keep_tensor_guards_unsafe" in vars(torch.compiler)
    else {}
)

# torch learns of a function by its name, too, which sizes change.
_NUMBERS = itertools.count()

# The compiler fuses operations and so rounds differently; half precision rounds at 2**-8.
_SLACK = {None: 1e-3, torch.bfloat16: 5e-2, torch.float16: 1e-2}


class Weights:
    """All tensors of a module by name: those that are trained, and the others.

    Going through a module for them takes longer than a small net's arithmetic, so it is done once.
    """

    def __init__(self, module: nn.Module) -> None:
        self._slots: list[tuple[dict[str, Any], str, Tensor, bool]] = []
        self.trained: dict[str, Tensor] = {}
        self.others: dict[str, Tensor] = {}
        seen: set[int] = set()
        for prefix, part in module.named_modules():
            for slots in (part._parameters, part._buffers):
                for key, value in slots.items():
                    if value is None or id(value) in seen:
                        continue
                    seen.add(id(value))
                    self._slots.append((slots, key, value, value.requires_grad))
                    group = self.trained if value.requires_grad else self.others
                    group[f"{prefix}.{key}" if prefix else key] = value

    @property
    def present(self) -> bool:
        """Whether the module still has these tensors, and trains the same ones."""
        return all(
            slots.get(key) is value and value.requires_grad is trained
            for slots, key, value, trained in self._slots
        )

    def put_back(self, before: dict[str, Tensor]) -> None:
        """Give the module these tensors again, those that are not trained with the values given."""
        for slots, key, value, _ in self._slots:
            if slots.get(key) is not value:  # a step has put another tensor in its place
                slots[key] = value
        with torch.no_grad():
            for name, value in self.others.items():
                value.copy_(before[name])


class _Call(NamedTuple):
    """What a compiled step has been given, and what came out of it."""

    graph: Differentiated
    inputs: Sequence[Tensor]
    found: Sequence[Tensor]
    before: dict[str, Tensor] | None
    """Of a first call: the buffers as they were."""


class CompiledStep:
    """The steps of one model, compiled; where that cannot be, plain ones after one warning.

    Whenever a step was compiled, the plain step is made beside it, which has to give the same
    loss, gradients and buffers. A model that does something on the side, which a compiler may lose,
    is found out there. The update is the same kernel in both.

    Args:
        whole: The module that `forward(x, y, sample_weight)` gives a batch's loss, losses of single
            outputs and outputs; the model is a part of it.
        optimizer: Its optimizer; None if it is only evaluated.
        precision: The type that its matrix products run in; None for the weights' own.
    """

    def __init__(
        self,
        whole: nn.Module,
        optimizer: Optimizer | None,
        precision: torch.dtype | None = None,
    ) -> None:
        self._whole = whole
        self._optimizer = optimizer
        self._precision = precision
        self._slack = _SLACK[precision]
        self._weights = Weights(nn.Module())  # none, until a step is compiled
        self._call: _Call | None = None
        self.works = True
        """Whether it is compiled, as far as has been tried."""
        self._steps: dict[str, dict[Any, Step]] = {"train": {}, "test": {}}
        # That nothing is dynamic is not said as long as nothing is: saying so costs 5 us a step.
        self._dynamic: bool | None = None

    def __reduce__(self) -> tuple[Callable[..., Any], tuple[Any, ...]]:
        # What was compiled belongs to these weights; a copy compiles for its own.
        return CompiledStep, (self._whole, self._optimizer, self._precision)

    def train(self, batch: Batch) -> Computed | None:
        """Train on a batch, the update included; None if a plain step has to do it."""
        step = self._step_for(batch, "train")
        if step is None:
            return None
        if not self._weights.present:
            self._weights = Weights(self._whole)
        try:
            computed = step(self._whole, *batch)
        except Exception as error:  # whatever the compiler says; the plain step says the user's own
            if self._goes_static():
                return self.train(batch)
            self._give_up(_reason(error))
            return None
        call, self._call = self._call, None
        assert call is not None  # the step has just left it
        if call.before is not None:
            return self._on_trial(batch, computed, call, call.before)
        if call.graph.hands_out_weights:
            computed = _copied(computed)
        self._update(call)
        return computed

    def _update(self, call: _Call) -> None:
        assert self._optimizer is not None  # a fit without one is refused
        graph, inputs, found, _ = call
        direct = self._optimizer.direct
        if direct is not None and graph.update(direct, self._weights, inputs, found):
            self._optimizer.count_update()
            return
        for weight, gradient in graph.gradients(inputs, found):
            weight.grad = gradient
        self._optimizer.step()

    def test(self, batch: Batch) -> Computed | None:
        """Evaluate a batch; None if a plain step has to do it. Run without gradients."""
        step = self._step_for(batch, "test")
        if step is None:
            return None
        try:
            return step(self._whole, *batch)
        except Exception as error:  # as above
            if self._goes_static():
                return self.test(batch)
            self._give_up(_reason(error))
            return None

    def _step_for(self, batch: Batch, kind: Literal["train", "test"]) -> Step | None:
        """Return the step for batches of this one's shapes, unless there are too many of them."""
        if not self.works:
            return None
        x, y, weight = batch
        one = isinstance(x, Tensor) and isinstance(y, Tensor) and weight is None
        shapes = (x.shape, y.shape) if one else tuple(leaf.shape for leaf in flatten(list(batch)))
        steps = self._steps[kind]
        step = steps.get(shapes)
        if step is None and len(steps) < _SHAPES:
            how = {"backend": self._backend} if kind == "train" else {}
            options = _GUARDS if kind == "train" else {**OPTIONS, **_GUARDS}
            step = steps[shapes] = _compile(dynamic=self._dynamic, options=options or None, **how)
        return step

    def _goes_static(self) -> bool:
        """Begin anew with numbers that changed as constants, unless they are already."""
        goes = self._dynamic is None
        self._dynamic, self._steps = False, {"train": {}, "test": {}}
        return goes

    def _backend(
        self, forward: fx.GraphModule, inputs: Sequence[Any]
    ) -> Callable[..., Sequence[Tensor]]:
        """Turn what `torch.compile` has recorded into what it will call."""
        if not all(isinstance(value, Tensor) for value in inputs):
            raise TypeError("a number in the model changes, and became an input")
        graph = Differentiated(forward)

        def run(*inputs: Tensor) -> Sequence[Tensor]:
            before = None
            if graph.compiled:
                found = graph(inputs)
            else:
                self._weights = Weights(self._whole)  # some may be new, whatever is still present
                before = {name: value.clone() for name, value in self._weights.others.items()}
                found = graph.compile(inputs, self._weights.trained.values())
            self._call = _Call(graph, inputs, found, before)
            return found[: graph.outputs]

        return run

    def _on_trial(
        self, batch: Batch, computed: Computed, call: _Call, before: dict[str, Tensor]
    ) -> Computed:
        assert self._optimizer is not None  # as above
        graph, inputs, found, _ = call
        # Looked up anew: a model may have put a new tensor in a buffer's place.
        others = {name: value.clone() for name, value in Weights(self._whole).others.items()}
        self._weights.put_back(before)
        loss, parts, outputs = self._whole(*batch)
        loss.backward()
        expected = Weights(self._whole)
        trained = list(expected.trained.values())
        gradients = {id(weight): gradient for weight, gradient in graph.gradients(inputs, found)}
        same = (
            computed[0] is found[0]
            and self._near(found[0], loss.detach())
            and all(self._near(gradients.get(id(weight)), weight.grad) for weight in trained)
            and all(self._near(others[name], value) for name, value in expected.others.items())
        )
        if not same:
            self._give_up("it gives other numbers than the plain step, so it loses something")
            self._optimizer.step()
            return loss.detach(), parts, map_leaves(Tensor.detach, outputs)
        # A weight that no output depends on has no gradient, which is not the same as one of zero.
        graph.unused = frozenset(id(weight) for weight in trained if weight.grad is None)
        graph.hands_out_weights = _share(flatten(outputs), trained)
        for weight in trained:
            weight.grad = None
        # The last bits are the compiled step's, as in all that follow: a run that goes on in
        # another process has its trial at another batch.
        with torch.no_grad():
            for name, buffer in expected.others.items():
                buffer.copy_(others[name])
        if graph.hands_out_weights:
            computed = _copied(computed)
        self._update(call)
        return computed

    def _near(self, value: Tensor | None, expected: Tensor | None) -> bool:
        if value is None or expected is None:
            given = value if expected is None else expected
            return given is None or not given.any()
        if value.shape != expected.shape:
            return False
        if not expected.is_floating_point():
            return torch.equal(value, expected)
        scale = float(expected.abs().max()) if expected.numel() else 0.0
        slack = self._slack
        return torch.allclose(value, expected, slack, slack * scale + 1e-7, equal_nan=True)

    def _give_up(self, reason: str) -> None:
        """Say why all further steps are plain ones."""
        self.works = False
        warnings.warn(
            f"jit_compile: the step could not be compiled and runs as it is, uncompiled: {reason}",
            stacklevel=6,
        )


def _forward(whole: nn.Module, x: Any, y: Any, sample_weight: Any) -> Any:
    return whole(x, y, sample_weight)


def _compile(**how: Any) -> Step:
    # With a code object of its own: by these torch keeps what it has compiled, and bounds it.
    code = _forward.__code__.replace(co_name=f"forward_{next(_NUMBERS)}")
    return torch.compile(FunctionType(code, _forward.__globals__), fullgraph=True, **how)


def _share(outputs: Sequence[Tensor], weights: Sequence[Tensor]) -> bool:
    """Whether there is an output in a weight's memory."""
    places = {weight.untyped_storage().data_ptr() for weight in weights}
    return any(output.untyped_storage().data_ptr() in places for output in outputs)


def _copied(computed: Computed) -> Computed:
    """Return what the update, which writes into the weights, does not change."""
    loss, parts, outputs = computed
    return loss, parts, map_leaves(lambda leaf: leaf.detach().clone(), outputs)


def _reason(error: Exception) -> str:
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return f"{type(error).__name__}: {' '.join(lines[:2])[:300] or 'no reason given'}"
