"""Descriptions of models that name what must never be called, in files that are valid otherwise."""

import base64
import copy
import io
import json
import marshal
import pickle
import zipfile

import h5py

from epochal.storage import load_tensors, save_tensors

DESCRIBED = (".keras", ".h5", ".safetensors", ".epochal")


def rewrite(path, change):
    """Change a valid file's description in place.

    Args:
        path: The file.
        change: Called with the description of the model and with that of `compile`; returns both.
    """
    if path.suffix == ".safetensors":
        tensors, notes = load_tensors(path)
        model, compiled = change(json.loads(notes["model"]), json.loads(notes["compile"]))
        save_tensors(
            path, tensors, notes | {"model": json.dumps(model), "compile": json.dumps(compiled)}
        )
    elif path.suffix == ".h5":
        with h5py.File(path, "r+") as file:
            names = ("model_config", "training_config")
            changed = change(*(json.loads(file.attrs[name]) for name in names))
            for name, value in zip(names, changed, strict=True):
                file.attrs[name] = json.dumps(value)
    else:
        with zipfile.ZipFile(path) as archive:
            members = {name: archive.read(name) for name in archive.namelist()}
        if path.suffix == ".epochal":
            about = json.loads(members["epochal.json"])
            about["model"], about["compile"] = change(about["model"], about["compile"])
            members["epochal.json"] = json.dumps(about).encode()
        else:
            config = json.loads(members["config.json"])
            model, compiled = change(config, config.pop("compile_config"))
            members["config.json"] = json.dumps(model | {"compile_config": compiled}).encode()
        rewrite_members(path, members)


def rewrite_members(path, members):
    """Write the members of an archive anew."""
    data = io.BytesIO()
    with zipfile.ZipFile(data, "w") as archive:
        for name, content in members.items():
            archive.writestr(zipfile.ZipInfo(name), content)
    path.write_bytes(data.getvalue())


def _layers(model):
    config = model.get("config", model)
    return config["layers"]


def _as_layer(model, compiled, payload):
    _layers(model).append(payload)


def _in_a_list(model, compiled, payload):
    _layers(model).insert(0, [payload])


def _as_initializer(model, compiled, payload):
    _layers(model)[-1]["config"]["kernel_initializer"] = payload


def _as_activation(model, compiled, payload):
    _layers(model)[-1]["config"]["activation"] = payload


def _as_units(model, compiled, payload):
    _layers(model)[-1]["config"]["units"] = payload


def _as_the_model(model, compiled, payload):
    config = copy.deepcopy(model)
    model.clear()
    model.update({"class_name": "Sequential", "config": {"name": "m", "layers": [config, payload]}})


def _in_a_model_in_a_model(model, compiled, payload):
    inner = {"class_name": "Sequential", "config": {"name": "inner", "layers": [payload]}}
    outer = {"class_name": "Sequential", "config": {"name": "outer", "layers": [inner]}}
    _layers(model).append(outer)


def _as_optimizer(model, compiled, payload):
    compiled["optimizer_config" if "optimizer_config" in compiled else "optimizer"] = payload


def _as_learning_rate(model, compiled, payload):
    name = "optimizer_config" if "optimizer_config" in compiled else "optimizer"
    compiled[name]["config"]["learning_rate"] = payload


def _as_loss(model, compiled, payload):
    compiled["loss"] = payload


def _as_metric(model, compiled, payload):
    compiled["metrics"] = [[payload], payload]


PLACES = {
    "as a layer": _as_layer,
    "in a list": _in_a_list,
    "as an initializer": _as_initializer,
    "as an activation": _as_activation,
    "as a number": _as_units,
    "around the model": _as_the_model,
    "in a model in a model": _in_a_model_in_a_model,
    "as the optimizer": _as_optimizer,
    "as the learning rate": _as_learning_rate,
    "as the loss": _as_loss,
    "as a metric": _as_metric,
}


def payloads(canary):
    """Return by the attack's name the objects that would do harm if they were believed."""
    command = f"touch {canary}"

    def body(*_):
        import os

        return os.system("touch " + __file__)

    code = base64.b64encode(marshal.dumps(body.__code__)).decode()
    pickled = base64.b64encode(pickle.dumps({"a": 1})).decode()

    def named(module, class_name, /, **config):
        return {
            "module": module,
            "class_name": class_name,
            "config": config,
            "registered_name": None,
        }

    function = {
        "class_name": "__lambda__",
        "config": {"code": code, "defaults": None, "closure": None},
    }
    return {
        "CVE-2024-3660 a Lambda with its code": named(
            "keras.layers", "Lambda", name="l", function=function
        ),
        "CVE-2024-3660 code alone": function,
        "CVE-2025-1550 os.system": named("os", "system", command=command),
        "CVE-2025-1550 a function of builtins": {
            "module": "builtins",
            "class_name": "function",
            "config": "exec",
            "registered_name": "function",
        },
        "CVE-2025-1550 a registered name": {
            **named("os", "system", command=command),
            "registered_name": "builtins>eval",
        },
        "CVE-2025-8747 keras.utils.get_file": named(
            "keras.utils", "get_file", fname=str(canary), origin="http://127.0.0.1:9/x"
        ),
        "CVE-2025-8747 our own load_model": named(
            "epochal.models", "load_model", filepath=str(canary)
        ),
        "CVE-2025-8747 our own save_tensors": named(
            "epochal.storage", "save_tensors", path=str(canary)
        ),
        "CVE-2025-8747 torch.hub.load": named("torch.hub", "load", repo_or_dir=str(canary)),
        "CVE-2025-8747 builtins.eval": named(
            "builtins", "eval", source=f"open({str(canary)!r}, 'w')"
        ),
        "CVE-2025-9906 the switch": named("keras.config", "enable_unsafe_deserialization"),
        "CVE-2025-49655 TorchModuleWrapper": named(
            "keras.layers",
            "TorchModuleWrapper",
            module={"class_name": "__bytes__", "config": pickled},
            name="w",
        ),
        "CVE-2025-12058 StringLookup": named(
            "keras.layers", "StringLookup", vocabulary=str(canary)
        ),
        "CVE-2025-12058 TextVectorization": named(
            "keras.layers", "TextVectorization", vocabulary=f"file://{canary}"
        ),
        "CVE-2026-1462 TFSMLayer": named("keras.layers", "TFSMLayer", filepath=str(canary.parent)),
        "CVE-2026-1462 a checkpoint to load": named(
            "keras.callbacks", "ModelCheckpoint", filepath=str(canary)
        ),
    }
