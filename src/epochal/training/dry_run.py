"""The dry run: a model is tried on its first rows, before anything is changed."""

import inspect
from collections.abc import Mapping
from typing import Any, NamedTuple

import torch
from torch import nn
from torch.nn.parameter import is_lazy

from epochal.core.errors import Problems, UsageError
from epochal.core.trees import flatten, map_leaves
from epochal.data import Batch
from epochal.layers import Layer
from epochal.logs import Scored
from epochal.training.compiled import Compiled, Passing
from epochal.training.scores import MetricPlan

__all__ = ["FirstLook", "choose_passing", "dry_run", "leaves_alone", "unbuilt"]


_SHOWN = 20  # shapes of inputs in an error


class FirstLook(NamedTuple):
    """What a model is tried on before training."""

    batch: Batch
    targets: Any
    """All targets if they are arrays, so that every label is checked; else the batch's."""
    whole: bool
    """Whether to run the whole batch; else two rows of it do."""


def dry_run(
    compiled: Compiled, look: FirstLook, problems: Problems, extra: MetricPlan | None = None
) -> list[Scored]:
    """Run the model on the first rows, without training, and settle what depends on shapes.

    This builds lazy layers, and finds wrong shapes, labels and losses before anything changed.

    Args:
        compiled: The model, and what settles now.
        look: What to run it on.
        problems: Where to note what cannot work.
        extra: Metrics that one call asks for beside the compiled ones.

    Returns:
        The extra metrics in their places.
    """
    batch, targets, whole = look
    compiled.settle_execution()
    rows = batch if whole else map_leaves(lambda leaf: leaf[:2], batch)
    compiled.model.note_inputs(rows[0])
    prediction = _forward(compiled, rows[0], problems)
    if prediction is None or problems:
        return []
    if compiled.objective.given is not None or not compiled.own & {"train_step", "compute_loss"}:
        compiled.objective.resolve(targets, prediction, batch[2], problems)
        compiled.objective.to(compiled.device)
        compiled.objective.check_trained(compiled.model.parameters(), problems)
    if batch[1] is not None and not problems:
        read, names = compiled.objective.readings(), compiled.objective.names
        compiled.metrics.resolve(batch[1], prediction, names, problems, read)
        if extra is not None:
            taken = [*names, *compiled.metrics.names]
            extra.resolve(batch[1], prediction, taken, problems, read)
    compiled.resolved = not problems
    return [] if extra is None else extra.scored


def leaves_alone(compiled: Compiled, step: str) -> bool:
    """Whether a step is the user's own, and the model has all its weights.

    What such a step does with a batch is its own business, so the model is not tried on one.
    """
    return step in compiled.own and not unbuilt(compiled.model)


def choose_passing(compiled: Compiled, x: Any, problems: Problems) -> None:
    """Settle how the inputs reach the model's `forward`."""
    compiled.passing = _passing(compiled.model.input_signature(), x, problems)


def _forward(compiled: Compiled, x: Any, problems: Problems) -> Any:
    choose_passing(compiled, x, problems)
    if problems:
        return None
    training = compiled.model.training
    compiled.model.eval()
    try:
        fork = torch.random.fork_rng(enabled=not unbuilt(compiled.model))
        with torch.no_grad(), fork, compiled.casting:
            # `compiled.forward` spelt out, so that a user's traceback is short.
            if compiled.passing == "one":
                return compiled.model(x)
            return compiled.model(*x) if compiled.passing == "positions" else compiled.model(**x)
    except UsageError as error:
        problems.add(str(error))
        return None
    except Exception as error:
        shapes = map_leaves(lambda leaf: f"{tuple(leaf.shape)} {leaf.dtype}", x)
        if len(flatten(x)) > _SHOWN:
            shapes = f"{len(flatten(x))} tensors, of them first {flatten(shapes)[0]}"
        error.add_note(
            f"raised by the model's forward on the first rows of x, {shapes}, in eval mode and "
            "without gradients, before training began; nothing has been changed"
            f"{_hint(compiled, x, error)}"
        )
        raise
    finally:
        compiled.model.train(training)


def _hint(compiled: Compiled, x: Any, error: Exception) -> str:
    """Return what may be wrong with inputs that `forward` did not take; nothing if nobody knows."""
    if "does not require grad" in str(error):
        return ". A forward that takes derivatives needs `with torch.enable_grad():` around them"
    if isinstance(x, Mapping) and compiled.passing == "one":
        return (
            f". forward got the dict of {list(x)} as it is; where some of them are targets, give "
            "batches of (inputs, targets)"
        )
    weight = next((p for p in compiled.model.parameters() if p.is_floating_point()), None)
    own = None if weight is None else str(weight.dtype).removeprefix("torch.")
    if own == "float64":
        return (
            ". The model's weights are float64, and numbers reach it as float32: make them float32 "
            "with module.float(), or write x.double() in its forward"
        )
    others = {str(leaf.dtype).removeprefix("torch.") for leaf in flatten(x)} - {own}
    if own is None or not others:
        return ""
    return (
        f". The model's weights are {own}; where inputs of {', '.join(others)} meet them, convert"
    )


def unbuilt(model: nn.Module) -> bool:
    """Whether weights are still to be made; they are drawn from the global generator."""
    return any(isinstance(m, Layer) and not m.built for m in model.modules()) or any(
        is_lazy(p) for p in model.parameters()
    )


def _passing(signature: inspect.Signature, x: Any, problems: Problems) -> Passing:
    """Return how the inputs reach `forward`: as one argument, or several by position or name."""
    parameters = list(signature.parameters.values())
    plain = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
    takes = [p.name for p in parameters if p.kind in plain]
    required = [p.name for p in parameters if p.kind in plain and p.default is p.empty]
    anything = any(p.kind is p.VAR_POSITIONAL for p in parameters)
    if isinstance(x, Mapping):
        only = [p for p in parameters if p.kind is p.KEYWORD_ONLY]
        known = {*takes, *(p.name for p in only)}
        needed = {*required, *(p.name for p in only if p.default is p.empty)}
        more = any(p.kind is p.VAR_KEYWORD for p in parameters)
        named = bool(known & set(x)) or not takes
        if named and needed <= set(x) and (more or set(x) <= known):
            return "names"
        # A dict of which nothing is a parameter's name is what the one parameter takes.
        if needed == set(required) and len(required) <= 1 and not (named and len(takes) > 1):
            return "one"
        problems.add(f"forward takes {sorted(known)}; x has the keys {list(x)}: name them alike")
    elif isinstance(x, (tuple, list)):
        if len(x) > 1 and (anything or len(required) <= len(x) <= len(takes)) and len(takes) > 1:
            return "positions"
        if len(required) > 1:
            problems.add(f"forward takes {len(required)} inputs {required}; x has {len(x)}")
    elif len(required) > 1:
        problems.add(f"forward takes {len(required)} inputs {required}; x is one tensor")
    return "one"
