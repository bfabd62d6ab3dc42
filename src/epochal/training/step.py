"""One step: forward, loss, backward, update. Nothing here waits for the device."""

from typing import Any

from torch import Tensor
from torch.nn.utils.rnn import PackedSequence

from epochal.core.errors import UsageError
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
        if not loss.requires_grad:
            raise _nothing_to_train(compiled)
        optimizer.scale_loss(loss).backward()  # type: ignore[no-untyped-call]
        outputs = map_leaves(_kept, prediction) if board.scores else None
        loss = loss.detach()
        optimizer.step()
    compiled.batch_loss = loss
    board.add_loss(loss, _rows(x, y), parts)
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
    board.add_loss(loss, _rows(x, y), parts)
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
    if isinstance(x, PackedSequence):  # its first tensor holds the steps of all sequences
        return int(x.batch_sizes[0])
    return int(flatten(x)[0].shape[0])


def _rows(x: Any, y: Any) -> int:
    """Return how often a batch's loss counts in the mean of an epoch.

    Targets say it: inputs may be time by batch, the nodes of several graphs, or packed sequences.
    """
    return y.shape[0] if isinstance(y, Tensor) and y.ndim else batch_size(x)


def _nothing_to_train(compiled: Compiled) -> UsageError:
    """Return what to raise where a loss depends on no weight that could be trained."""
    if not any(weight.requires_grad for weight in compiled.model.parameters()):
        return UsageError(
            "fit: no weight of the model is trainable; thaw some of them with "
            "requires_grad_(True), or layer.trainable = True"
        )
    return UsageError(
        "fit: the loss does not depend on the model's trainable weights: somewhere between them "
        "and the loss is a detach(), item(), numpy(), argmax or no_grad(), or all that the loss "
        "uses is frozen"
    )


def _kept(output: Tensor) -> Tensor:
    """Return an output that neither keeps its graph nor changes with the weights."""
    base = output._base
    # A weight that is handed out as it is, or a view of one: the update writes into it.
    changes = output.is_leaf if base is None else base.is_leaf
    return output.detach().clone() if changes else output.detach()
