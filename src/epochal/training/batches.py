"""Single steps outside of the loop: `train_on_batch` and its like, and the steps users extend."""

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from epochal import data
from epochal.core.errors import Problems
from epochal.data import Batch, Feeding, Source
from epochal.logs import Logs
from epochal.training.compiled import Compiled
from epochal.training.dry_run import FirstLook, choose_passing, dry_run, leaves_alone
from epochal.training.step import as_data, test_step, train_step

__all__ = [
    "compute_loss",
    "predict_on_batch",
    "test_on",
    "test_on_batch",
    "train_on",
    "train_on_batch",
]


def train_on(compiled: Compiled, batch: tuple[Any, ...]) -> Logs:
    """Train on a batch that is on the device; return its logs (the default `train_step`)."""
    x, y, weight = (*batch, None, None)[:3]
    _settle("train_step", compiled, (x, y, weight))
    board = compiled.scoreboard()
    train_step(compiled, (x, y, weight), board)
    return Logs(board.names, board.moment().read)


def test_on(compiled: Compiled, batch: tuple[Any, ...]) -> Logs:
    """Evaluate a batch that is on the device; return its logs (the default `test_step`)."""
    x, y, weight = (*batch, None, None)[:3]
    _settle("test_step", compiled, (x, y, weight))
    board = compiled.scoreboard()
    test_step(compiled, (x, y, weight), board)
    return Logs(board.names, board.moment().read)


def compute_loss(compiled: Compiled, y: Any, y_pred: Any, sample_weight: Any) -> Tensor:
    """Return the loss of a batch with the layers' penalties (the default `compute_loss`)."""
    if not compiled.objective.resolved:
        problems = Problems("compute_loss")
        compiled.objective.resolve(y, y_pred, sample_weight, problems)
        problems.raise_if_any()
    loss, _ = compiled.objective(y, y_pred, sample_weight)
    return loss + compiled.penalty() if compiled.regularized else loss


def train_on_batch(
    compiled: Compiled, source: Source, class_weight: Mapping[int, float] | None
) -> Mapping[str, Any]:
    """Check one batch, train on it and return its logs."""
    batch = _batch("train_on_batch", compiled, source, class_weight)
    model = compiled.model
    compiled.build_optimizer()
    model.train()
    try:
        logs: Mapping[str, Any] = model.train_step(as_data(batch))
        return dict(logs)
    finally:
        model.eval()


def test_on_batch(compiled: Compiled, source: Source) -> Mapping[str, Any]:
    """Check one batch, evaluate it and return its logs."""
    batch = _batch("test_on_batch", compiled, source, None)
    model = compiled.model
    compiled.find_penalties()
    training = model.training
    model.eval()
    try:
        with torch.no_grad():
            logs: Mapping[str, Any] = model.test_step(as_data(batch))
            return dict(logs)
    finally:
        model.train(training)


def predict_on_batch(compiled: Compiled, x: Any) -> Any:
    """Return the outputs for one batch of inputs."""
    problems = Problems("predict_on_batch")
    feed = data.make_feed(Source(x), Feeding(_ALL, compiled.device), problems)
    problems.raise_if_any()
    assert feed is not None  # make_feed notes a problem where it returns none
    x = feed.peek()[0]
    choose_passing(compiled, x, problems)
    problems.raise_if_any()
    model = compiled.model
    training = model.training
    model.eval()
    try:
        with torch.no_grad():
            return model.predict_step((x,))
    finally:
        model.train(training)


def _settle(call: str, compiled: Compiled, batch: Batch) -> None:
    """Settle losses and metrics by the first batch, where a step of the user's own came before."""
    if not compiled.resolved:
        problems = Problems(call)
        dry_run(compiled, FirstLook(batch, batch[1], whole=True), problems)
        problems.raise_if_any()


_ALL = 2**62  # a batch size that no data reaches


def _batch(
    call: str,
    compiled: Compiled,
    source: Source,
    class_weight: Mapping[int, float] | None,
) -> Batch:
    problems = Problems(call)
    if call.startswith("train") and compiled.optimizer is None and "train_step" not in compiled.own:
        problems.add("no optimizer is given; pass one to compile, as in compile('adam', 'mse')")
    arrays = data.to_arrays(source, problems, class_weight)
    if arrays is None:
        problems.add(f"x is a {type(source.x).__name__}; give one batch of arrays", of_type=True)
    problems.raise_if_any()
    assert arrays is not None  # noted above
    batch = data.array_feed(arrays, Feeding(_ALL, compiled.device)).peek()
    if not leaves_alone(compiled, call.replace("_on_batch", "_step")):
        dry_run(compiled, FirstLook(batch, batch[1], whole=False), problems)
    problems.raise_if_any()
    return batch
