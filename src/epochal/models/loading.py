"""Models out of files: rebuilt from a description, never from code."""

import json
import os
from collections.abc import Mapping
from typing import Any

from epochal import optimizers
from epochal.core.errors import UsageError
from epochal.models.saving import assign, restore_optimizer, weights_of
from epochal.models.sequential import Sequential
from epochal.storage import load_tensors

__all__ = ["load_model"]


def load_model(
    filepath: str | os.PathLike[str],
    custom_objects: Mapping[str, Any] | None = None,
    compile: bool = True,
) -> Any:
    """Return the model that a file holds: built, with its weights, and compiled if it was.

    No code of the file is run: classes come from epochal and from `custom_objects` alone.

    Args:
        filepath: What `Model.save` wrote of a `Sequential`.
        custom_objects: Layer classes of your own by name.
        compile: Whether to compile it with the optimizer's state, loss and metrics of the file,
            where these have names.

    Raises:
        UsageError: If the file holds weights alone, or something is wrong with it.

    Example:
        >>> import tempfile
        >>> from epochal.layers import Dense
        >>> path = f"{tempfile.mkdtemp()}/model.safetensors"
        >>> epochal.Sequential([Dense(3, input_dim=2)]).save(path)
        >>> load_model(path).predict([[1.0, 2.0]], verbose=0).shape
        (1, 3)
    """
    path = os.fspath(filepath)
    tensors, notes = load_tensors(filepath)
    if "model" not in notes:
        raise UsageError(
            f"load_model({path!r}): the file holds weights and no architecture; make the model in "
            "your code and call its load_weights"
        )
    try:
        config = json.loads(notes["model"])
        settings = json.loads(notes.get("compile", "null"))
        numbers = json.loads(notes.get("optimizer", "null"))
        model = Sequential.from_config(config, custom_objects)
    except UsageError:
        raise
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise UsageError(f"load_model({path!r}): the description in the file is damaged") from error
    assign(model, weights_of(tensors), f"load_model({path!r})")
    if compile and settings is not None:
        model.compile(
            optimizers.deserialize(settings["optimizer"]),
            settings["loss"],
            settings["loss_weights"],
            settings["metrics"],
            settings["weighted_metrics"],
        )
        if numbers is not None:
            restore_optimizer(model, tensors, numbers)
    return model
