"""A model's outputs, one or several, and what the user said for each of them."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from torch import Tensor

from epochal.core.errors import Problems, unknown_name

__all__ = ["Output", "outputs_of", "per_output", "select"]


class Output(NamedTuple):
    """One output: where it stands in the model's result, and what it is called in logs."""

    key: Any  # None: the model's result as a whole
    name: str

    def prefix(self) -> str:
        """Return what stands before its metrics' names."""
        return f"{self.name}_" if self.name else ""


def outputs_of(prediction: Any) -> list[Output]:
    """Return the outputs of a model by what it returned: a tensor, a tuple, a list or a dict."""
    if isinstance(prediction, Mapping):
        return [Output(key, str(key)) for key in prediction]
    if isinstance(prediction, tuple) and hasattr(prediction, "_fields"):
        return [Output(index, name) for index, name in enumerate(prediction._fields)]
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


def select(tree: Any, key: Any) -> Any:
    """Return the part of `tree` at an output's key; a single tensor stands for every output."""
    return tree if key is None or tree is None or isinstance(tree, Tensor) else tree[key]
