"""One step: forward, loss, backward, update. Nothing here waits for the device."""

from typing import Any

from torch import Tensor

from epochal.core.trees import flatten, map_leaves
from epochal.data import Batch
from epochal.logs import Scoreboard
from epochal.training.compiled import Compiled

__all__ = ["as_data", "predict_step", "test_step", "train_step"]


def train_step(compiled: Compiled, batch: Batch, board: Scoreboard) -> None:
    """Train on one batch and note its loss and outputs."""
    x, y, sample_weight = batch
    optimizer = compiled.optimizer
    assert optimizer is not None  # a fit without one is refused
    computed = None if compiled.fast is None else compiled.fast.train(batch)
    if computed is not None:
        loss, parts, outputs = computed
    else:
        with compiled.casting:
            # `compiled.forward` spelt out: one call less between the user and their model.
            if compiled.passing == "one":
                prediction = compiled.model(x)
            elif compiled.passing == "positions":
                prediction = compiled.model(*x)
            else:
                prediction = compiled.model(**x)
            loss, parts = compiled.loss(x, y, prediction, sample_weight)
        optimizer.scale_loss(loss).backward()  # type: ignore[no-untyped-call]
        outputs = map_leaves(_kept, prediction) if board.scores else None
        loss = loss.detach()
        optimizer.step()
    compiled.batch_loss = loss
    board.add_loss(loss, batch_size(x), parts)
    if board.scores:
        board.add_outputs(y, outputs, sample_weight)


def test_step(compiled: Compiled, batch: Batch, board: Scoreboard) -> Any:
    """Evaluate one batch, note its loss and outputs, and return these; run without gradients."""
    x, y, sample_weight = batch
    computed = None if compiled.fast is None else compiled.fast.test(batch)
    if computed is not None:
        loss, parts, prediction = computed
    else:
        with compiled.casting:
            if compiled.passing == "one":
                prediction = compiled.model(x)
            elif compiled.passing == "positions":
                prediction = compiled.model(*x)
            else:
                prediction = compiled.model(**x)
            loss, parts = compiled.loss(x, y, prediction, sample_weight)
    board.add_loss(loss, batch_size(x), parts)
    if board.scores:
        board.add_outputs(y, prediction, sample_weight)
    return prediction


def predict_step(compiled: Compiled, batch: Batch) -> Any:
    """Return the model's outputs for one batch; run without gradients."""
    with compiled.casting:
        return compiled.forward(batch[0])


def as_data(batch: Batch) -> tuple[Any, ...]:
    """Return a batch as a step of the user's own gets it: without what is not there."""
    x, y, sample_weight = batch
    if sample_weight is not None:
        return x, y, sample_weight
    return (x,) if y is None else (x, y)


def batch_size(x: Any) -> int:
    """Return the number of rows of a batch's inputs."""
    if isinstance(x, Tensor):
        return x.shape[0]
    return int(flatten(x)[0].shape[0])


def _kept(output: Tensor) -> Tensor:
    """Return an output that neither keeps its graph nor changes with the weights."""
    base = output._base
    # A weight that is handed out as it is, or a view of one: the update writes into it.
    changes = output.is_leaf if base is None else base.is_leaf
    return output.detach().clone() if changes else output.detach()
