"""An optimizer's state as the list of variables that Keras' files hold, and back.

Keras' momentum is made of steps and torch's of gradients, so one is the other times the learning
rate of the moment; everything else differs in layout and order alone.
"""

import math
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

from epochal.core.errors import Problems, UsageError
from epochal.layers import NamedWeight, named_weights
from epochal.models.formats import factored
from epochal.models.formats.optimizer_slots import Slot, is_factored, rounds_of
from epochal.optimizers import SGD, Nadam, Optimizer
from epochal.optimizers.state import VERSION

__all__ = ["Variable", "bytes_of", "layout_of", "restore_variables", "variables_of"]

_AVERAGE = Slot("average", "ema_average")
_ACCUMULATOR = Slot("gradient_accumulator", "accumulated_gradient")


class Variable(NamedTuple):
    """One variable in the file: Keras' name, and which slot of which weight it is."""

    name: str
    weight: NamedWeight | None = None
    slot: Slot | None = None
    part: str = ""

    @property
    def shape(self) -> tuple[int, ...]:
        """The shape in the file."""
        if self.weight is None:
            return ()
        return factored.shape_of(self.weight, self.part) if self.part else self.weight.shape


def layout_of(model: Any) -> list[Variable]:
    """Return the variables of a model's optimizer, in the order of Keras' files.

    Raises:
        UsageError: If Keras' files have no place for the state of such an optimizer.
    """
    optimizer: Optimizer = model.optimizer
    rounds = rounds_of(optimizer)
    found = [Variable("iteration")]
    if not optimizer.scheduled:
        found.append(Variable("learning_rate"))
    if optimizer.gradient_accumulation_steps is not None:
        rounds = [(_ACCUMULATOR,), *rounds]
    if optimizer.use_ema:
        rounds = [(_AVERAGE,), *rounds]
    weights = [weight for weight in named_weights(model) if weight.trainable]
    for slots in rounds:
        for weight in weights:
            name = weight.path.replace("/", "_")
            found += [Variable(f"{name}_{slot.name}", weight, slot) for slot in slots]
        if not slots and is_factored(optimizer):
            for weight in weights:
                name = weight.path.replace("/", "_")
                found += [Variable(f"{name}_{part}", weight, None, part) for part in factored.PARTS]
    return [*found, Variable("u_product")] if isinstance(optimizer, Nadam) else found


def variables_of(model: Any) -> list[tuple[str, Tensor]]:
    """Return the values of `layout_of`, for a file.

    Raises:
        UsageError: If Keras' files have no place for the state of such an optimizer.
    """
    optimizer: Optimizer = model.optimizer
    variables = layout_of(model)
    state = optimizer.state_dict() if optimizer.built else {"iterations": 0, "batches": 0}
    names = _names(model)
    rate = float(optimizer.learning_rate)
    values = []
    for name, weight, slot, part in variables:
        if weight is None:
            value = _number(name, optimizer, state, rate)
        elif slot is None:
            value = factored.from_torch(weight, part, state, names)
        else:
            value = weight.weight.layout.to_keras(*_parts(weight, slot, state, names))
            value = value * (slot.by_rate * rate) if slot.by_rate else value
        values.append((name, value))
    return values


def bytes_of(model: Any) -> int:
    """Return how many bytes the optimizer's state has in a file, in float32; 0 where it has none.

    Nothing is computed: it is for asking whether a disk holds them.
    """
    try:
        variables = [] if model.optimizer is None else layout_of(model)
    except UsageError:
        return 0
    return sum(4 * math.prod(variable.shape) for variable in variables)


def restore_variables(model: Any, arrays: Sequence[Tensor], call: str) -> None:
    """Give a model's optimizer the state that a file holds.

    A file of an optimizer that never made an update holds no state, and changes nothing but the
    learning rate.

    Args:
        model: A compiled model with weights.
        arrays: The file's variables, in its order.
        call: Named in the error.

    Raises:
        UsageError: If number or shapes are not those of this optimizer; nothing is changed then.
    """
    optimizer: Optimizer = model.optimizer
    if arrays and int(arrays[0]) == 0:
        return
    model._compiled.build_optimizer()
    variables = layout_of(model)
    _check(variables, arrays, optimizer, call)
    names = _names(model)
    count = int(arrays[0])
    every = optimizer.gradient_accumulation_steps or 1
    state: dict[str, Any] = {
        **{key: v for key, v in optimizer.state_dict().items() if "/" not in key},
        **{f"elements/{name}": p.numel() for name, p in model.named_parameters()},
        "version": VERSION,
        "iterations": count // every,
        "batches": count,
        "waiting_batches": count % every,
    }
    rate = float(optimizer.learning_rate)
    values = {variable.name: array for variable, array in zip(variables, arrays, strict=True)}
    if "learning_rate" in values:
        given = float(values["learning_rate"])
        # The file holds it in float32: keep the more exact number of the settings if it is that.
        rate = rate if np.float32(rate) == np.float32(given) else given
        state["learning_rate"] = rate
    for (name, weight, slot, part), array in zip(variables, arrays, strict=True):
        if weight is not None and slot is not None:
            _scatter(weight, slot, array, rate, state, names)
        elif part == factored.PARTS[-1] and weight is not None:
            base = name.removesuffix(part)
            factored.to_torch(weight, [values[base + one] for one in factored.PARTS], state, names)
    if state["waiting_batches"] == 0:
        state = {k: v for k, v in state.items() if not k.startswith(f"{_ACCUMULATOR.key}/")}
    if optimizer.use_ema:  # frozen weights have an average too: themselves
        for name, parameter in model.named_parameters():
            state.setdefault(f"{_AVERAGE.key}/{name}", parameter.detach())
    _add_counters(optimizer, state, values)
    optimizer.load_state_dict(state)


def _number(name: str, optimizer: Optimizer, state: Mapping[str, Any], rate: float) -> Tensor:
    """Return one of the variables that belong to no weight."""
    if name == "iteration":
        waits = optimizer.gradient_accumulation_steps is not None
        return torch.tensor(state["batches" if waits else "iterations"], dtype=torch.int32)
    if name == "learning_rate":
        return torch.tensor(rate, dtype=torch.float32)
    products = [value for key, value in state.items() if key.startswith("mu_product/")]
    return products[0] if products else torch.tensor(1.0)


def _names(model: Any) -> dict[int, str]:
    return {id(parameter): name for name, parameter in model.named_parameters()}


def _parts(
    weight: NamedWeight, slot: Slot, state: Mapping[str, Any], names: Mapping[int, str]
) -> list[Tensor]:
    """Return what torch remembers of each tensor of a weight; of a buffer, zeros."""
    parts = []
    for attribute in weight.weight.attributes:
        tensor: Tensor = getattr(weight.module, attribute)
        first = slot.first if id(tensor) in names else 0.0
        found = state.get(f"{slot.key}/{names.get(id(tensor), '')}")
        parts.append(torch.full_like(tensor, first) if found is None else found)
    return [part.detach() for part in parts]


def _scatter(
    weight: NamedWeight,
    slot: Slot,
    array: Tensor,
    rate: float,
    state: dict[str, Any],
    names: Mapping[int, str],
) -> None:
    """Put Keras' value of one slot where torch looks for it."""
    if slot.by_rate:
        # With a rate of 0 no step was made lately, and what was remembered cannot be told.
        array = array / (slot.by_rate * rate) if rate else torch.zeros_like(array)
    attributes = weight.weight.attributes
    for attribute, part in zip(attributes, weight.weight.layout.to_torch(array), strict=True):
        tensor: Tensor = getattr(weight.module, attribute)
        if id(tensor) in names:
            own = torch.empty_like(
                tensor, dtype=torch.float32 if part.dtype.is_floating_point else None
            )
            state[f"{slot.key}/{names[id(tensor)]}"] = own.copy_(part)


def _add_counters(
    optimizer: Optimizer, state: dict[str, Any], values: Mapping[str, Tensor]
) -> None:
    """Add what torch counts for each weight and Keras once for all."""
    if isinstance(optimizer, SGD):
        return
    own = {slot.key for slots in rounds_of(optimizer) for slot in slots} | {"variance", "row_var"}
    for key, _, name in [entry.partition("/") for entry in state]:
        if key in own:
            state[f"step/{name}"] = torch.tensor(float(state["iterations"]))
            if isinstance(optimizer, Nadam):
                state[f"mu_product/{name}"] = values["u_product"].clone()


def _check(
    variables: Sequence[Variable], arrays: Sequence[Tensor], optimizer: Optimizer, call: str
) -> None:
    problems = Problems(call)
    what = f"{type(optimizer).__name__}'s state"
    advice = "load with compile=False, or compile with the optimizer that the file was saved with"
    if len(variables) != len(arrays):
        problems.add(
            f"the file holds {len(arrays)} variables of the optimizer, and {what} for this model "
            f"has {len(variables)}; {advice}"
        )
    else:
        for variable, array in zip(variables, arrays, strict=True):
            if tuple(array.shape) != variable.shape:
                problems.add(
                    f"{variable.name} of {what} has the shape {tuple(array.shape)} in the file and "
                    f"{variable.shape} here; {advice}"
                )
    problems.raise_if_any()
