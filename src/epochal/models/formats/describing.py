"""Descriptions of layers and models, from ours to those in Keras' files."""

from collections.abc import Mapping
from typing import Any

from epochal.layers.registry import is_builtin
from epochal.models.classes import is_model_class

__all__ = ["KINDS", "describe_model", "describe_object", "policy"]

KINDS = {
    "initializer": "keras.initializers",
    "regularizer": "keras.regularizers",
    "constraint": "keras.constraints",
    "learning_rate": "keras.optimizers.schedules",
    "layer": "keras.layers",
    "activation": "keras.layers",
}
"""Which of Keras' modules an argument comes from, by the end of its name."""

_MODULES = {"Sequential": "keras", "Functional": "keras.src.models.functional"}


def describe_model(
    config: Mapping[str, Any], class_name: str, mixed: str | None = None
) -> dict[str, Any]:
    """Return what Keras writes of a model, from what our `get_config` returned.

    Args:
        config: With `name` and `layers`, and of a graph what Keras calls `input_layers` and
            `output_layers`.
        class_name: `"Sequential"`, `"Functional"`, or the name of a subclass of the user's own.
        mixed: Keras' policy of layers that compute in half precision, as `"mixed_bfloat16"`.
    """
    rest = {key: value for key, value in config.items() if key not in ("name", "layers")}
    described = [_entry(entry, mixed) for entry in config["layers"]]
    full: dict[str, Any] = {"name": config["name"], "trainable": True}
    if "input_layers" not in config:
        full["dtype"] = policy("float32")
    full |= {"layers": described, **rest}
    result = {
        "module": _MODULES.get(class_name),
        "class_name": class_name,
        "config": full,
        "registered_name": None if class_name == "Sequential" else class_name,
    }
    first = config["layers"][0] if config["layers"] else {}
    if "input_layers" not in config and first.get("class_name") == "InputLayer":
        full["build_input_shape"] = first["config"]["batch_shape"]
        result["build_config"] = {"input_shape": first["config"]["batch_shape"]}
    return result


def _entry(entry: Mapping[str, Any], mixed: str | None) -> dict[str, Any]:
    """Return one layer of a model, with what a graph says of its calls."""
    kind = entry["class_name"]
    if is_model_class(kind):
        described = describe_model(entry["config"], kind, mixed)
    else:
        described = describe_object(entry, "keras.layers")
        if mixed is not None and kind != "InputLayer":
            described["config"]["dtype"] = policy(mixed)
    calls = {key: entry[key] for key in ("name", "inbound_nodes") if key in entry}
    return described | calls


def describe_object(entry: Mapping[str, Any], module: str) -> dict[str, Any]:
    """Return an object with a `class_name` and a `config` as Keras writes it.

    Args:
        entry: Ours.
        module: The one of Keras' that has the class.
    """
    name = entry["class_name"]
    config = {key: _value(key, value) for key, value in entry.get("config", {}).items()}
    if module == "keras.layers":
        config.pop("input_shape", None)  # the InputLayer and build_config say it
        if name == "InputLayer":
            config["name"] = config.get("name") or "input_layer"
            config["dtype"] = entry["config"]["dtype"]
    if module == "keras.metrics" and config.get("average", "") is None:
        del config["average"]  # of Precision and Recall here alone; the default where both have it
    # A class of the user's own is found by its name alone, in what `custom_objects` lists.
    own = module == "keras.layers" and not is_builtin(name)
    return {
        "module": None if own else module,
        "class_name": name,
        "config": config,
        "registered_name": name if own else None,
    }


def _value(key: str, value: Any) -> Any:
    if key == "dtype" and isinstance(value, str):
        return policy(value)
    if isinstance(value, Mapping) and "class_name" in value:
        module = next((KINDS[end] for end in KINDS if key.endswith(end)), None)
        return describe_object(value, module or "keras.layers")
    return value


def policy(dtype: str) -> dict[str, Any]:
    """Return how Keras writes a dtype."""
    return {
        "module": "keras",
        "class_name": "DTypePolicy",
        "config": {"name": dtype},
        "registered_name": None,
    }
