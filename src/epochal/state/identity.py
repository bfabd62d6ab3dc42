"""What makes a run the one it is, and how one that was saved differs from it."""

import sys
from collections.abc import Iterable, Mapping
from typing import Any

import torch
from torch import Tensor

from epochal.core.errors import Problems, unknown_name
from epochal.core.random import chosen_seed
from epochal.data import Feed

__all__ = ["check_same", "conditions", "differences", "identity"]


def identity(model: Any, feed: Feed, validation: Feed | None) -> dict[str, Any]:
    """Return what makes a run the one it is: with anything else of it, it is another.

    Args:
        model: The model.
        feed: What it is trained on.
        validation: What it is validated on.
    """
    optimizer = model.optimizer
    shapes = {name: _shape(value) for name, value in model.state_dict().items()}
    return {
        "weights": shapes,
        "optimizer": None if optimizer is None else type(optimizer).__name__,
        "data": feed.describe(),
        "validation": None if validation is None else validation.describe(),
        "metrics": [metric.name for metric in model.metrics],
        "seed": None if chosen_seed() is None else str(chosen_seed()),
    }


def check_same(tree: Mapping[str, Any], now: Mapping[str, Any], fits: int) -> None:
    """See that what was captured is of this run.

    Args:
        tree: What was captured.
        now: The identity of this run.
        fits: How many fits of the model have ended before this one.

    Raises:
        UsageError: If it is another run; every difference is listed.
    """
    problems = Problems("the run that was saved is another one")
    saved = tree["identity"]
    if tree["fits"] > fits:
        problems.add(
            f"it was fit number {tree['fits'] + 1} of the model, and this is number {fits + 1}; "
            "give every fit a folder of its own"
        )
    for name in {**saved["weights"], **now["weights"]}:
        then, is_now = saved["weights"].get(name), now["weights"].get(name)
        if then is None:
            problems.add(
                f"its model lacks a weight: {unknown_name('weight', name, saved['weights'])}"
            )
        elif is_now is None:
            problems.add(
                f"the model lacks a weight: {unknown_name('weight', name, now['weights'])}"
            )
        elif then != is_now:
            problems.add(f"the weight {name} was {then} and is {is_now}")
    if saved["optimizer"] != now["optimizer"]:
        problems.add(f"the optimizer was {saved['optimizer']} and is {now['optimizer']}")
    for text in differences("data", saved["data"], now["data"]):
        problems.add(text)
    if saved["metrics"] != now["metrics"] and tree["position"][1]:
        # Their sums so far belong to the epoch that is open.
        problems.add(
            f"the metrics were {saved['metrics']} and are {now['metrics']}; inside of an epoch "
            "compile with the same losses and metrics"
        )
    if None not in (saved["seed"], now["seed"]) and saved["seed"] != now["seed"]:
        problems.add(f"the seed was {saved['seed']} and is {now['seed']}")
    problems.raise_if_any()


def conditions() -> dict[str, Any]:
    """Return what the last bits of results depend on beside the run."""
    return {
        "torch": str(torch.__version__),
        "python": ".".join(map(str, sys.version_info[:2])),
        "threads": torch.get_num_threads(),
        "deterministic algorithms": torch.are_deterministic_algorithms_enabled(),
        "device": torch.cuda.get_device_name() if torch.cuda.is_available() else "cpu",
    }


def differences(what: str, saved: Mapping[str, Any], now: Mapping[str, Any]) -> Iterable[str]:
    """Return how data differ from those that were described."""
    for name in {**saved, **now}:
        then, is_now = saved.get(name), now.get(name)
        if then == is_now:
            continue
        if name != "values":
            yield f"the {what}'s {name} was {then} and is {is_now}"
        elif saved.get("rows") == now.get("rows"):
            yield (
                f"the {what} have other values than before; make and split them with a seed, as "
                "train_test_split(..., random_state=1) does"
            )


def _shape(value: Any) -> str:
    if not isinstance(value, Tensor):
        return "a state of its own"  # of get_extra_state
    return f"{str(value.dtype).removeprefix('torch.')} {tuple(value.shape)}"
