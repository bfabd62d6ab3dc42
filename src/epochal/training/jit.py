"""Forward, loss and gradients as one graph, made by `torch.compile`.

A step of a small net spends most of its time between its kernels: in Python, and in the engine that
walks back through the graph. `torch.func.grad` writes the backward pass out, so that the compiler
sees all of the step at once; compiling the forward pass alone leaves a small net as slow as it was.
"""

import warnings
from collections.abc import Callable
from typing import Any, ClassVar

import torch
from torch import Tensor, nn
from torch.func import functional_call, grad_and_value

from epochal.core.trees import flatten, map_leaves
from epochal.data import Batch

__all__ = ["Computed", "CompiledStep"]

Computed = tuple[Tensor, list[Tensor], Any]
"""What a batch gave: the loss, the losses of single outputs, the model's outputs."""

# Batches of more shapes than these are trained on plainly: each costs a compilation of its own.
_SHAPES = 4

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


class CompiledStep:
    """The steps of one model, compiled; where that cannot be, plain ones after one warning.

    At the first batch the plain step is made beside the compiled one, which has to give the
    same loss, gradients and buffers. A model that does something on the side, which a compiler may
    lose, is found out there.

    Args:
        whole: The module that `forward(x, y, sample_weight)` gives a batch's loss, losses of single
            outputs and outputs; the model is a part of it.
        precision: The type that its matrix products run in; None for the weights' own.
    """

    updates: ClassVar[bool] = False
    """Whether `train` updates the weights as well."""

    def __init__(self, whole: nn.Module, precision: torch.dtype | None = None) -> None:
        self._whole = whole
        self._slack = _SLACK[precision]
        self._weights = Weights(whole)
        self._trusted = False
        self._unused: frozenset[str] = frozenset()
        self.works = True
        """Whether it is compiled, as far as has been tried."""
        # Random numbers come from torch's generator, in the order of the plain step.
        self._train = _compile(self._differentiate)
        self._test = _compile(whole)
        self._seen: dict[str, set[Any]] = {"train": set(), "test": set()}

    def train(self, batch: Batch) -> Computed | None:
        """Put the gradients of a batch in place; None if a plain step has to do it."""
        if not self._takes(batch, "train"):
            return None
        if not (self._trusted and self._weights.present):
            self._weights = Weights(self._whole)
        if not self._trusted:
            return self._on_trial(batch)
        try:
            gradients, computed = self._run(batch)
        except Exception as error:  # whatever the compiler says; the plain step says the user's own
            self._give_up(_reason(error))
            return None
        self._put(gradients)
        return computed

    def _put(self, gradients: dict[str, Tensor]) -> None:
        for name, parameter in self._weights.trained.items():
            parameter.grad = None if name in self._unused else gradients[name]

    def test(self, batch: Batch) -> Computed | None:
        """Evaluate a batch; None if a plain step has to do it. Run without gradients."""
        if not self._takes(batch, "test"):
            return None
        try:
            computed: Computed = self._test(*batch)
        except Exception as error:  # as above
            self._give_up(_reason(error))
            return None
        return computed

    def _takes(self, batch: Batch, step: str) -> bool:
        """Whether batches of this one's shapes are, or are still to be, compiled."""
        if not self.works:
            return False
        x, y, weight = batch
        one = isinstance(x, Tensor) and isinstance(y, Tensor) and weight is None
        shapes = (x.shape, y.shape) if one else tuple(leaf.shape for leaf in flatten(list(batch)))
        seen = self._seen[step]
        if shapes not in seen:
            if len(seen) >= _SHAPES:
                return False
            seen.add(shapes)
        return True

    def _run(self, batch: Batch) -> tuple[dict[str, Tensor], Computed]:
        # As inputs of the graph, or nothing in it may write into them (BatchNormalization does).
        with torch.no_grad():  # the gradients' own history is of no use
            found: tuple[dict[str, Tensor], Computed] = self._train(
                self._weights.trained, self._weights.others, *batch
            )
        return found

    def _differentiate(
        self, trained: dict[str, Tensor], others: dict[str, Tensor], x: Any, y: Any, weight: Any
    ) -> tuple[dict[str, Tensor], Computed]:
        def loss_of(
            weights: dict[str, Tensor], rest: dict[str, Tensor]
        ) -> tuple[Tensor, tuple[list[Tensor], Any]]:
            loss, parts, outputs = functional_call(self._whole, (weights, rest), (x, y, weight))
            return loss, (parts, outputs)

        differentiated = grad_and_value(loss_of, has_aux=True)
        gradients, (loss, (parts, outputs)) = differentiated(trained, others)
        return gradients, (loss, parts, outputs)

    def _on_trial(self, batch: Batch) -> Computed | None:
        before = {name: value.clone() for name, value in self._weights.others.items()}
        try:
            with torch.random.fork_rng():
                gradients, computed = self._run(batch)
                value = computed[0]
        except Exception as error:  # as above
            self._restore(before)
            self._give_up(_reason(error))
            return None
        others = {name: value.clone() for name, value in self._weights.others.items()}
        self._restore(before)
        loss, parts, outputs = self._whole(*batch)
        loss.backward()
        trained = self._weights.trained
        # A weight that no output depends on has no gradient, which is not the same as one of zero.
        self._unused = frozenset(name for name, p in trained.items() if p.grad is None)
        expected = {name: weight.grad for name, weight in trained.items()}
        # Looked up anew: a model may have put a new tensor in a buffer's place.
        expected |= Weights(self._whole).others
        same = self._near(value, loss.detach()) and all(
            self._near(found, expected[name]) for name, found in {**gradients, **others}.items()
        )
        self._trusted = True
        if not same:
            self._give_up("it gives other numbers than the plain step, so it loses something")
            return loss.detach(), parts, map_leaves(Tensor.detach, outputs)
        # The last bits are the compiled step's, as in all that follow: a run that goes on in
        # another process has its trial at another batch.
        self._put(gradients)
        with torch.no_grad():
            for name, buffer in Weights(self._whole).others.items():
                buffer.copy_(others[name])
        return computed

    def _near(self, value: Tensor, expected: Tensor | None) -> bool:
        expected = torch.zeros_like(value) if expected is None else expected
        if value.shape != expected.shape:
            return False
        if not expected.is_floating_point():
            return torch.equal(value, expected)
        scale = float(expected.abs().max()) if expected.numel() else 0.0
        slack = self._slack
        return torch.allclose(value, expected, slack, slack * scale + 1e-7, equal_nan=True)

    def _restore(self, before: dict[str, Tensor]) -> None:
        with torch.no_grad():
            for name, value in self._weights.others.items():
                value.copy_(before[name])

    def _give_up(self, reason: str) -> None:
        self.works = False
        warnings.warn(
            f"jit_compile: the step could not be compiled and runs as it is, uncompiled: {reason}",
            stacklevel=6,
        )


def _compile(function: Callable[..., Any]) -> Callable[..., Any]:
    return torch.compile(function, fullgraph=True, dynamic=False, options={"fallback_random": True})


def _reason(error: Exception) -> str:
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return f"{type(error).__name__}: {' '.join(lines[:2])[:300] or 'no reason given'}"
