"""How the steps are run: plain, compiled, in half precision; the arithmetic is the same."""

import contextlib
from typing import Any, NamedTuple

import torch

from epochal.core.errors import Problems, UsageError, unknown_name
from epochal.optimizers import Optimizer

__all__ = ["Execution", "casting", "check_execution", "prepare_scaling"]

_PRECISIONS: dict[str, torch.dtype | None] = {
    "float32": None,
    "bfloat16": torch.bfloat16,
    "mixed_bfloat16": torch.bfloat16,  # Keras' names for its policies
    "float16": torch.float16,
    "mixed_float16": torch.float16,
}


class Execution(NamedTuple):
    """What `compile` was told about how to run steps."""

    jit: bool = False
    """Whether forward, loss and gradients are compiled into one graph."""
    graphs: bool = True
    """Whether a GPU may record whole steps and replay them."""
    steps_per_execution: int = 1
    """How many batches there are between two calls of the batch hooks."""
    precision: torch.dtype | None = None
    """The type that matrix products and convolutions compute in; None for the weights' own."""


def check_execution(
    jit_compile: Any,
    run_eagerly: Any,
    steps_per_execution: Any,
    mixed_precision: Any,
) -> Execution:
    """Return what `compile`'s arguments ask for.

    Raises:
        UsageError: If they are not what they may be, or contradict each other.
    """
    problems = Problems("compile")
    if jit_compile not in (True, False, "auto", None):
        problems.add(f"jit_compile is {jit_compile!r}; give True, False or 'auto'")
    if jit_compile is True and run_eagerly:
        problems.add("run_eagerly=True and jit_compile=True exclude each other; leave one out")
    if isinstance(steps_per_execution, bool) or not isinstance(steps_per_execution, int):
        problems.add(
            f"steps_per_execution is {steps_per_execution!r}; give a whole number", of_type=True
        )
    elif steps_per_execution < 1:
        problems.add(f"steps_per_execution is {steps_per_execution}; give 1 or more")
    if mixed_precision is not None and mixed_precision not in _PRECISIONS:
        problems.add(unknown_name("mixed_precision", mixed_precision, _PRECISIONS))
    problems.raise_if_any()
    precision = None if mixed_precision is None else _PRECISIONS[mixed_precision]
    graphs = jit_compile in ("auto", None) and not run_eagerly and precision is not torch.float16
    return Execution(jit_compile is True, graphs, steps_per_execution, precision)


def prepare_scaling(optimizer: Optimizer, execution: Execution, auto_scale_loss: bool) -> None:
    """Let the optimizer scale losses where half precision would lose small gradients.

    Raises:
        UsageError: If the step is to be compiled as well, which knows no scaling.
    """
    if execution.precision is torch.float16 and auto_scale_loss:
        optimizer.scale_automatically()
    if execution.jit and (optimizer.loss_scale_factor is not None or optimizer.scales_by_itself):
        raise UsageError(
            "compile: jit_compile=True compiles no scaled loss, as float16 and loss_scale_factor "
            "need; use mixed_precision='bfloat16', or leave jit_compile out"
        )


def casting(
    precision: torch.dtype | None, device: torch.device
) -> contextlib.AbstractContextManager[Any]:
    """Return a context, good for many uses, in which matrix products run in `precision`."""
    if precision is None:
        return contextlib.nullcontext()
    return torch.autocast(device.type, precision)
