"""A model's outputs, one or several, and what the user said for each of them."""

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from torch import Tensor

from epochal.core.errors import Problems, unknown_name
from epochal.core.trees import is_record, pick

__all__ = [
    "Output",
    "check_weights",
    "outputs_of",
    "per_output",
    "select",
    "select_weight",
    "target_of",
]


class Output(NamedTuple):
    """One output: where it stands in the model's result, and what it is called in logs."""

    key: Any  # None: the model's result as a whole
    name: str

    def prefix(self) -> str:
        """Return what stands before its metrics' names."""
        return f"{self.name}_" if self.name else ""


def outputs_of(prediction: Any) -> list[Output]:
    """Return a model's outputs by what it returned: a tensor, tuple, list, dict or dataclass."""
    if isinstance(prediction, Mapping):
        return [Output(key, str(key)) for key in prediction]
    if isinstance(prediction, tuple) and hasattr(prediction, "_fields"):
        return [Output(index, name) for index, name in enumerate(prediction._fields)]
    if is_record(prediction):
        names = [field.name for field in dataclasses.fields(prediction)]
        return [Output(name, name) for name in names if getattr(prediction, name) is not None]
    if isinstance(prediction, Sequence) and len(prediction) > 1:
        return [Output(index, f"output_{index}") for index in range(len(prediction))]
    return [Output(0 if isinstance(prediction, Sequence) else None, "")]


def per_output(given: Any, outputs: list[Output], what: str, problems: Problems) -> list[Any]:
    """Return what is given for each output; None where nothing is.

    Args:
        given: A dict by output name, a list in the outputs' order, or one thing if there is one
            output.
        outputs: The model's outputs.
        what: The argument's name.
        problems: Where to note names and counts that do not fit.
    """
    if given is None:
        return [None] * len(outputs)
    names = [output.name for output in outputs]
    if isinstance(given, Mapping) and "class_name" not in given:
        if len(outputs) == 1 and not names[0]:
            problems.add(
                f"{what} is a dict with the keys {list(given)}, but the model has one output; give "
                "what is in it directly"
            )
            return [None]
        for key in given:
            if key not in names:
                problems.add(f"{what}: {unknown_name('output', key, names)}")
        return [given.get(name) for name in names]
    if isinstance(given, (list, tuple)):
        if len(given) != len(outputs):
            problems.add(
                f"{what} has {len(given)} entries for a model of {len(outputs)} outputs "
                f"({', '.join(names) or 'one tensor'}); give one for each output, or a dict by name"
            )
            return [None] * len(outputs)
        return list(given)
    return [given] * len(outputs)


def select(tree: Any, output: Output) -> Any:
    """Return an output's part of predictions or targets; a single tensor stands for every output.

    Targets may be a dict by the outputs' names, whatever the model returns.
    """
    key = output.key
    if key is None or tree is None or isinstance(tree, Tensor):
        return tree
    return pick(tree, output.name if isinstance(tree, dict) and key not in tree else key)


def target_of(y: Any, output: Output, problems: Problems) -> Any:
    """Return an output's part of the targets; None, with a note of it, if they have none for it."""
    if output.key is None or isinstance(y, Tensor):
        return y
    try:
        return select(y, output)
    except (KeyError, IndexError, TypeError):
        have = list(y) if isinstance(y, dict) else f"{len(y)} entries"
        problems.add(f"y has no targets for the output {output.name!r}; it has {have}")
        return None


def select_weight(tree: Any, output: Output) -> Any:
    """Return an output's part of sample weights; in a dict, what is not there counts as 1."""
    if isinstance(tree, dict) and output.key is not None:
        return tree.get(output.key, tree.get(output.name))
    return select(tree, output)


def check_weights(tree: Any, outputs: list[Output], problems: Problems) -> None:
    """Note names and counts of sample weights that do not fit the outputs."""
    if tree is None or isinstance(tree, Tensor) or outputs[0].key is None:
        return
    if isinstance(tree, dict):
        known = [name for output in outputs for name in (output.key, output.name)]
        for name in tree:
            if name not in known:
                names = [output.name for output in outputs]
                problems.add(f"sample_weight: {unknown_name('output', name, names)}")
    elif len(tree) != len(outputs):
        problems.add(
            f"sample_weight has {len(tree)} entries for a model of {len(outputs)} outputs; give "
            "one for each output, a dict by name, or one array for all"
        )
