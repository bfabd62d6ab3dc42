"""What `compile` was given, as Keras' files say it, and back."""

import inspect
from collections.abc import Callable, Mapping
from typing import Any

from epochal import losses, metrics, optimizers
from epochal.core.config import Configurable
from epochal.core.errors import UsageError
from epochal.metrics.mean import FunctionMetric
from epochal.models.formats.describing import describe_object
from epochal.models.formats.reading_configs import plain_value
from epochal.models.formats.torch_objects import describe_module, describe_optimizer
from epochal.models.registering import name_of, registered

__all__ = ["compile_from", "compile_settings"]

_DROPPED = ("is_legacy_optimizer", "jit_compile", "decay")  # of the optimizers of Keras 2
_IN_KERAS = (
    *("SGD", "Adam", "AdamW", "RMSprop", "Adagrad"),
    *("Adadelta", "Adamax", "Nadam", "Adafactor"),
)
_SCHEDULES = (
    *("CosineDecay", "CosineDecayRestarts", "ExponentialDecay", "InverseTimeDecay"),
    *("PiecewiseConstantDecay", "PolynomialDecay"),
)
_OURS = ("Rprop",)


def compile_settings(
    model: Any, *, names: bool = True, torch_objects: bool = False
) -> dict[str, Any] | None:
    """Return a model's settings as Keras writes them; None if it is not compiled for training.

    Args:
        model: The model.
        names: Whether losses given by name stay names; Keras' older format cannot read its own.
        torch_objects: Whether losses and optimizers of torch's own may be described too; Keras
            knows none of them.

    Raises:
        UsageError: If something has no name that a file could hold.
    """
    compiled = model._compiled
    if compiled is None or compiled.optimizer is None:
        return None
    loss = compiled.objective.given
    return {
        "optimizer": _optimizer(compiled.optimizer, torch_objects),
        "loss": _each(loss, lambda one: _loss(one, names, torch_objects)),
        "loss_weights": _each(compiled.objective.loss_weights, lambda one: one),
        "metrics": _each(compiled.metrics.given, _metric),
        "weighted_metrics": _each(compiled.metrics.weighted, _metric),
        "run_eagerly": False,
        "steps_per_execution": compiled.execution.steps_per_execution,
        "jit_compile": compiled.execution.jit,
    }


def compile_from(
    model: Any,
    settings: Mapping[str, Any],
    custom_objects: Mapping[str, Any] | None,
    call: str,
    precision: str | None,
    *,
    jit_compile: Any = "auto",
    auto_scale_loss: Any = True,
) -> None:
    """Compile a model as the settings of a file say.

    Args:
        model: The model, with its weights.
        settings: What Keras calls `compile_config`.
        custom_objects: Classes and functions of the caller's own by name.
        call: Named in errors.
        precision: What the layers' dtype policies say of mixed precision.
        jit_compile: Not what the settings say: that is a matter of the machine, and Keras writes
            what suited its.
        auto_scale_loss: As for `compile`.

    Raises:
        UsageError: If a name is not known; compile=False loads the model without.
    """
    custom = {**registered(), **(custom_objects or {})}

    def read(value: Any, registry: Callable[[str], Any]) -> Any:
        if isinstance(value, list):
            return [read(item, registry) for item in value]
        if isinstance(value, Mapping) and "class_name" not in value:
            return {key: read(item, registry) for key, item in value.items()}
        value = plain_value(value, call, custom)
        if isinstance(value, str):
            if value in custom:
                return custom[value]
            registry(value)  # an unknown name is an error here, where the file is spoken of
        return value

    try:
        optimizer = _read_optimizer(settings["optimizer"], custom, call)
        model.compile(
            optimizer,
            read(settings.get("loss"), _known_loss),
            settings.get("loss_weights"),
            read(settings.get("metrics"), metrics.get),
            read(settings.get("weighted_metrics"), metrics.get),
            steps_per_execution=settings.get("steps_per_execution") or 1,
            jit_compile=jit_compile,
            auto_scale_loss=auto_scale_loss,
            mixed_precision=precision,
        )
    except (UsageError, KeyError, TypeError, AttributeError) as error:
        text = str(error) if isinstance(error, UsageError) else f"damaged ({error!r})"
        raise UsageError(
            f"{call}: the compile settings cannot be used: {text}. Pass what is yours as "
            "custom_objects={'name': ...}, or load with compile=False and compile yourself"
        ) from error


def _optimizer(optimizer: optimizers.Optimizer, torch_objects: bool) -> dict[str, Any]:
    if torch_objects and isinstance(optimizer, optimizers.TorchOptimizer):
        return describe_optimizer(optimizer)
    name = type(optimizer).__name__
    if name not in _IN_KERAS and name not in _OURS:
        raise UsageError(f"the optimizer {name} cannot be made from a description")
    entry = optimizers.serialize(optimizer)
    described = describe_object(entry, "keras.optimizers")
    rate = described["config"].get("learning_rate")
    kind = rate["class_name"] if isinstance(rate, Mapping) else rate
    if isinstance(kind, str) and kind not in _SCHEDULES:
        raise UsageError(f"the learning rate {kind!r} is code")
    if name in _OURS:
        described |= {"module": None, "registered_name": name}
    return described


def _read_optimizer(entry: Any, custom: Mapping[str, Any], call: str) -> optimizers.Optimizer:
    if isinstance(entry, str):
        return optimizers.get(entry)
    plain = plain_value(entry, call, custom)
    if not isinstance(plain, Mapping):
        return optimizers.get(plain)
    config = {key: value for key, value in plain["config"].items() if key not in _DROPPED}
    return optimizers.deserialize({"class_name": plain["class_name"], "config": config})


def _each(value: Any, write: Callable[[Any], Any]) -> Any:
    """Return `write` of everything in nested lists and dicts; None stays None."""
    if value is None:
        return None
    if isinstance(value, Mapping) and "class_name" not in value:
        return {key: _each(item, write) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_each(item, write) for item in value]
    return write(value)


def _loss(loss: Any, names: bool, torch_objects: bool) -> Any:
    if isinstance(loss, str) and (names or loss.lower() in ("crossentropy", "ce")):
        return loss
    if inspect.isfunction(loss) and isinstance(losses.get(loss), losses.FunctionLoss):
        return _function(loss)
    found = losses.get(loss)
    if torch_objects and isinstance(found, losses.TorchLoss):
        described = describe_module(found.module)
        if described is not None:
            return described
    if isinstance(found, (losses.FunctionLoss, losses.TorchLoss)):
        raise UsageError(f"the loss {loss!r} has no name that a file could hold")
    own = not type(found).__module__.startswith("epochal.")
    return _own(found) if own else describe_object(losses.serialize(found), "keras.losses")


def _metric(metric: Any) -> Any:
    if isinstance(metric, str):
        return metric
    if inspect.isfunction(metric) and isinstance(metrics.get(metric), FunctionMetric):
        return _function(metric)
    found = metrics.get(metric)
    if type(found).__module__.startswith("epochal."):
        return describe_object(metrics.serialize(found), "keras.metrics")
    return _own(found)


def _own(found: Configurable) -> dict[str, Any]:
    """Return an object of a user's class: whoever loads it gives the class."""
    name = name_of(type(found)) or type(found).__name__
    config = found.get_config()
    return {"module": None, "class_name": name, "config": config, "registered_name": name}


def _function(function: Any) -> dict[str, Any]:
    """Return a function's name as Keras writes it; whoever loads it gives the function."""
    name = name_of(function) or function.__name__
    if name == "<lambda>":
        raise UsageError("a lambda has no name that a file could hold; write it as a function")
    return {
        "module": "builtins",
        "class_name": "function",
        "config": name,
        "registered_name": "function",
    }


def _known_loss(name: str) -> None:
    if name.lower() not in ("crossentropy", "ce"):
        losses.get(name)
