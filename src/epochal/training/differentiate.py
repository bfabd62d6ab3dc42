"""What `torch.compile` recorded of a forward pass and its loss, with the gradients, as one graph.

`torch.compile` gives a backend the operations of the user's own code, and checks before every call
that this code would still do the same. Gradients are written out here, after it, and not in the
code it follows: following `torch.func.grad` as well made it check four times as much, at every
step.
"""

from collections.abc import Callable, Iterable, Sequence
from typing import Any

import torch
from torch import Tensor, fx
from torch.func import grad_and_value

from epochal.optimizers.direct import DirectUpdate

__all__ = ["OPTIONS", "Differentiated"]

Function = Callable[..., Sequence[Tensor]]

# Random numbers come from torch's generator, in the order of the plain step.
OPTIONS: dict[str, Any] = {"fallback_random": True}
# Small nets gain a tenth from calling kernels from C++; not everything can be called from there.
# Shapes are checked before this graph is called.
_FROM_CPP: dict[str, Any] = {**OPTIONS, "cpp_wrapper": True, "size_asserts": False}


class Differentiated:
    """A forward pass that gives the gradients of its first output, the loss, as well.

    It is compiled at the first call, when it is known which of its inputs are weights.

    Args:
        forward: The recorded operations; weights and buffers are among the inputs.
    """

    def __init__(self, forward: fx.GraphModule) -> None:
        self._forward = forward
        self._function: Function | None = None
        self._places: list[int] = []
        self._fits: tuple[DirectUpdate, object, list[int] | None] | None = None
        self.outputs = 0
        """How many of the results are the forward pass's own."""
        self.unused: frozenset[int] = frozenset()
        """The `id` of each weight that the loss does not depend on."""
        self.hands_out_weights = False
        """Whether an output lies in a weight's memory, which the update writes into."""

    @property
    def compiled(self) -> bool:
        """Whether it has been called before."""
        return self._function is not None

    def __call__(self, inputs: Sequence[Tensor]) -> Sequence[Tensor]:
        """Return the outputs, and after them the gradients."""
        assert self._function is not None  # `compile` came first
        with torch.no_grad():
            return self._function(*inputs)

    def compile(self, inputs: Sequence[Tensor], trained: Iterable[Tensor]) -> Sequence[Tensor]:
        """Return what a first call does; the random numbers it draws will be drawn once more.

        Args:
            inputs: The inputs of the call.
            trained: The weights to differentiate by; others may be among them.

        Raises:
            Exception: Whatever the compiler does, if it cannot.
        """
        weights = {id(weight) for weight in trained}
        self._places = [place for place, value in enumerate(inputs) if id(value) in weights]
        plain = [value.detach() for value in inputs]
        # What is changed in place (BatchNormalization does) must stay as it is in a failed attempt.
        before = [value.clone() for value in plain]
        on_cpu = all(value.device.type == "cpu" for value in plain)
        for options in (_FROM_CPP, OPTIONS) if on_cpu else (OPTIONS,):
            try:
                function = self._made(plain, options)
                with torch.no_grad(), torch.random.fork_rng():
                    found = function(*inputs)
                break
            except Exception:  # the second attempt says what is wrong
                for value, old in zip(plain, before, strict=True):
                    value.copy_(old)
                if options is OPTIONS:
                    raise
        self._function = function
        self.outputs = len(found) - len(self._places)
        return found

    @torch.no_grad()
    def _made(self, plain: list[Any], options: dict[str, Any]) -> Function:
        # Only here: importing it takes half a second.
        from torch.fx.experimental.proxy_tensor import make_fx

        with torch.random.fork_rng():  # tracing draws random numbers
            graph = make_fx(self._differentiate, tracing_mode="fake", _allow_non_fake_inputs=True)(
                *plain
            )
            made: Function = torch._inductor.compile(graph, plain, options=options)
        return made

    def _differentiate(self, *inputs: Tensor) -> list[Tensor]:
        def loss_of(weights: list[Tensor], rest: list[Tensor]) -> tuple[Tensor, Any]:
            every = list(rest)
            for place, weight in zip(self._places, weights, strict=True):
                every[place] = weight
            outputs = self._forward(*every)
            return outputs[0], list(outputs)

        weights = [inputs[place] for place in self._places]
        # All as arguments, or nothing in it may write into them.
        gradients, (_, outputs) = grad_and_value(loss_of, has_aux=True)(weights, list(inputs))
        return [*outputs, *map(_laid_out_like, gradients, weights)]

    def gradients(
        self, inputs: Sequence[Tensor], found: Sequence[Tensor]
    ) -> list[tuple[Tensor, Tensor]]:
        """Return the weights of a call and their gradients, but those the loss does not use."""
        return [
            (inputs[place], gradient)
            for place, gradient in zip(self._places, found[self.outputs :], strict=True)
            if id(inputs[place]) not in self.unused
        ]

    def update(
        self,
        direct: DirectUpdate,
        weights: object,
        inputs: Sequence[Tensor],
        found: Sequence[Tensor],
    ) -> bool:
        """Update straight by the gradients of a call, or do nothing and return False.

        Args:
            direct: Updates the weights.
            weights: Another object once the model has other weights.
            inputs: The inputs of the call.
            found: Its results.
        """
        fits = self._fits
        if fits is None or fits[0] is not direct or fits[1] is not weights:
            fits = self._fits = (direct, weights, self._order(direct, inputs))
        order = fits[2]
        return order is not None and direct.take([found[place] for place in order])

    def _order(self, direct: DirectUpdate, inputs: Sequence[Tensor]) -> list[int] | None:
        """Return where among the results the gradients are, as the optimizer lists its weights."""
        found = {id(inputs[place]): index for index, place in enumerate(self._places)}
        wanted = [id(weight) for weight in direct.parameters]
        if self.unused or found.keys() != set(wanted):
            return None  # torch's own optimizer passes over weights that have no gradient
        return [self.outputs + found[weight] for weight in wanted]


def _laid_out_like(gradient: Tensor, weight: Tensor) -> Tensor:
    """Return a gradient in its weight's memory order, as the fused kernels read it."""
    if gradient.stride() == weight.stride():
        return gradient
    return torch.empty_like(weight).copy_(gradient)
