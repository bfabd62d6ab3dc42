"""Descriptions of layers and models in Keras' files, to ours.

Only classes are made that epochal has or that the caller names; nothing is imported because a file
says so, and what would be code is refused.
"""

from collections.abc import Mapping
from typing import Any

from epochal.core.errors import UsageError
from epochal.layers.registry import is_known, unknown
from epochal.models.classes import is_described, is_model_class, model_class

__all__ = ["make_model", "mixed_precision", "plain_value"]

_WITHOUT_EFFECT = ("zero_output_for_mask",)  # Keras' masks reach no layer of ours
_CODE = ("Lambda", "__lambda__", "function", "type")


def make_model(entry: Any, custom_objects: Mapping[str, Any] | None, call: str) -> Any:
    """Return the model, without values if torch's meta device is the default one, of a description.

    Args:
        entry: With `class_name` and `config`, as Keras or epochal wrote it.
        custom_objects: Classes of the caller's own by name.
        call: Named in errors.

    Raises:
        UsageError: If a class is unknown or an argument cannot be used; names the layer.
    """
    reader = _Reader(custom_objects or {}, call)
    try:
        return reader.model(entry)
    except (KeyError, TypeError, AttributeError, IndexError, ValueError) as error:
        if isinstance(error, UsageError):
            raise
        where = f" (at the layer {reader.at!r})" if reader.at else ""
        raise UsageError(
            f"{call}: the description in the file is damaged{where}: "
            f"{type(error).__name__}: {error}"
        ) from error


class _Reader:
    """One reading of a description; `at` is the layer it has come to."""

    def __init__(self, custom_objects: Mapping[str, Any], call: str) -> None:
        self._custom = dict(custom_objects)
        self._call = call
        self.at = ""

    def model(self, entry: Any) -> Any:
        entry = _with_class(entry, f"{self._call}: the model")
        name = entry["class_name"]
        if is_model_class(name):
            config = self._model_config(entry["config"])
            self.at = ""
            return model_class(name).from_config(config, self._custom)
        found: Any = self._own(entry)
        if found is None:
            raise UsageError(
                f"{self._call}: the model is of the class {name!r}, whose code no file can bring; "
                f"make the model in your code and call its load_weights, or pass custom_objects="
                f"{{{name!r}: ...}}"
            )
        described = isinstance(found, type) and is_described(found)
        if described:
            return found.from_config(self._model_config(entry["config"]), self._custom)
        return found.from_config(plain_value(entry["config"], self._call, self._custom))

    def _model_config(self, config: Mapping[str, Any]) -> dict[str, Any]:
        """Return a model's config with all its layers in our words."""
        layers = [self._layer(entry) for entry in config["layers"]]
        kept = ("name", "input_layers", "output_layers")
        return {"layers": layers, **{key: config[key] for key in kept if key in config}}

    def _layer(self, entry: Any) -> dict[str, Any]:
        entry = _with_class(entry, f"{self._call}: a layer")
        kind, config = entry["class_name"], entry["config"]
        self.at = str(config.get("name", kind))
        label = f"{self._call}: the layer {self.at!r}"
        calls = {key: entry[key] for key in ("name", "inbound_nodes") if key in entry}
        if is_model_class(kind):
            kind = "Functional" if kind == "Model" else kind
            return {"class_name": kind, "config": self._model_config(config), **calls}
        if kind in _CODE:
            raise UsageError(
                f"{label} is a {kind}, which holds Python code, and none is read from a file; "
                "write it as a Layer subclass, make the model in your code and call its "
                "load_weights"
            )
        module = entry.get("module")
        if isinstance(module, str) and (".ops" in module or module.startswith("keras.ops")):
            raise UsageError(
                f"{label} is the operation {kind!r} of {module}, not a layer, and only layers are "
                "rebuilt; make the model in your code and call its load_weights"
            )
        own = self._own(entry)
        if own is None and not is_known(kind):
            raise UsageError(f"{label}: {unknown(kind)}")
        arguments = plain_value(config, label, self._custom)
        found = {"class_name": kind, "config": arguments, **calls}
        if own is not None:
            self._custom[own.__name__] = own
            found["class_name"] = own.__name__
        return found

    def _own(self, entry: Mapping[str, Any]) -> Any:
        """Return the caller's class for an entry, if there is one."""
        for name in (entry.get("registered_name"), entry["class_name"]):
            if isinstance(name, str) and name in self._custom:
                return self._custom[name]
        return None


def plain_value(value: Any, label: str, custom_objects: Mapping[str, Any]) -> Any:
    """Return a value of a config without what Keras wraps around it.

    Args:
        value: What stands in the file.
        label: Whose it is, for errors.
        custom_objects: Functions and classes of the caller's own by name.

    Raises:
        UsageError: If it is code, or something that has no counterpart.
    """
    if isinstance(value, list):
        return [plain_value(item, label, custom_objects) for item in value]
    if not isinstance(value, Mapping):
        return value
    if "class_name" not in value:
        plain = {
            key: plain_value(item, label, custom_objects)
            for key, item in value.items()
            if key not in _WITHOUT_EFFECT
        }
        dtype, bend = plain.get("dtype"), plain.get("activation")
        if isinstance(dtype, str):
            plain["dtype"] = _dtype({"name": dtype}, label)
        if isinstance(bend, str) and bend in custom_objects:
            plain["activation"] = custom_objects[bend]
        return plain
    kind, config = value["class_name"], value.get("config")
    if kind in ("DTypePolicy", "Policy"):
        return _dtype(config, label)
    if kind == "__tuple__":
        return tuple(plain_value(item, label, custom_objects) for item in value["items"])
    if kind in ("__numpy__", "__tensor__") and isinstance(config, Mapping):
        return plain_value(config["value"], label, custom_objects)
    if kind == "function" and isinstance(config, str):
        return custom_objects.get(config, config)  # else looked up among ours by its name
    if kind in _CODE or str(kind).startswith("__"):
        raise UsageError(
            f"{label} holds a {kind!r}, which is Python code or needs it, and none is read from a "
            "file; make the model in your code and call its load_weights"
        )
    arguments = plain_value(config or {}, label, custom_objects)
    if isinstance(kind, str) and kind in custom_objects:
        return custom_objects[kind](**arguments)
    return {"class_name": kind, "config": arguments}


def mixed_precision(description: Any) -> str | None:
    """Return the mixed precision that the layers of a description ask for; None for none."""
    waiting = [description]
    while waiting:
        item = waiting.pop()
        if isinstance(item, Mapping):
            config = item.get("config")
            if item.get("class_name") in ("DTypePolicy", "Policy") and isinstance(config, Mapping):
                name = config.get("name")
                if name in ("mixed_bfloat16", "mixed_float16"):
                    return str(name)
            waiting.extend(item.values())
        elif isinstance(item, list):
            waiting.extend(item)
    return None


def _dtype(config: Any, label: str) -> str:
    """Return the dtype of the weights that a policy asks for."""
    name = config.get("name") if isinstance(config, Mapping) else None
    if not isinstance(name, str) or "_from_" in name:
        raise UsageError(
            f"{label} has the dtype policy {name!r}; quantized weights are not supported"
        )
    # Weights are float32 in both; computing in half precision is asked for when the model is used.
    return "float32" if name.startswith("mixed_") else name


def _with_class(entry: Any, label: str) -> Mapping[str, Any]:
    if (
        not isinstance(entry, Mapping)
        or not isinstance(entry.get("class_name"), str)
        or not isinstance(entry.get("config"), Mapping)
    ):
        raise UsageError(f"{label} is damaged: it has no class_name and config")
    return entry
