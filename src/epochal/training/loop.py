"""THE loop: what happens in `fit`, `evaluate` and `predict`, in reading order."""

import contextlib
from collections.abc import Iterator, Sequence
from typing import Any

import torch

from epochal.callbacks import CallbackList, History
from epochal.callbacks.batch_hooks import BatchHooks
from epochal.core.errors import UsageError
from epochal.core.trees import map_leaves
from epochal.data import Feed
from epochal.logs import Logs, Moment, Returned, Scored
from epochal.state import Position
from epochal.training.compiled import Compiled, Pass
from epochal.training.plan import EvaluatePlan, FitPlan, PredictPlan
from epochal.training.step import as_data, batch_size, predict_step, test_step, train_step

__all__ = ["run_evaluate", "run_fit", "run_predict"]


def run_fit(plan: FitPlan) -> History:
    """Train for the planned epochs and return what they logged."""
    model, callbacks, compiled, run = plan.model, plan.callbacks, plan.compiled, plan.run
    with _released(plan), compiled.fitting():
        model.stop_training = model.diverged = False
        last: tuple[Moment | Returned, Moment | Returned | None] | None = None
        callbacks.set_run(run)
        start = run.start or Position(plan.initial_epoch, 0)
        model.initial_epoch = start.epoch
        callbacks.on_train_begin()
        over = start.epoch >= plan.epochs  # a later fit of the script has gone on
        if over or not start.batches:
            run.restore(as_it_was=over)
        # Read only now: a callback may have set it in `on_train_begin`.
        for epoch in range(model.initial_epoch, plan.epochs):
            if model.stop_training:
                break
            callbacks.on_epoch_begin(epoch)
            done = start.batches if epoch == start.epoch else 0
            if done:
                run.restore()  # what hooks at the beginning of the epoch did is in what was saved
            trained = train_epoch(plan, epoch, done)
            if trained is None:
                break
            validated = None
            # A model of NaN has nothing to validate.
            if plan.validation is not None and plan.validates_after(epoch) and not model.diverged:
                validated = evaluate_feed(compiled, callbacks, plan.validation, epoch)
            last = (trained, validated)
            callbacks.on_epoch_end(epoch, plan.epoch_logs(*last))
            compiled.end_epoch()
            if callbacks.savers:
                run.last_logs = dict(plan.epoch_logs(*last))
                callbacks.save_point(Position(epoch + 1, 0))
        with compiled.turns.lock:
            compiled.finish()
        # Logs of their own: what callbacks added to the last epoch's is not in them, as in Keras.
        callbacks.on_train_end(run.last_logs if last is None else plan.epoch_logs(*last))
        model.fits += 1
    return plan.history


def train_epoch(plan: FitPlan, epoch: int, done: int = 0) -> Moment | Returned | None:
    """Train on the batches of one epoch, of which some may be done; None if the data gave none."""
    model, callbacks, compiled = plan.model, plan.callbacks, plan.compiled
    saves, own, turns = bool(callbacks.savers), "train_step" in compiled.own, compiled.turns
    every, batches, given = compiled.execution.steps_per_execution, done, plan.feed.epoch(epoch)
    if done and plan.run.trained:  # it was left in its validation: its last batch was told
        every, given = 1, iter(())
    hooks = BatchHooks(callbacks, "train", every, done)
    model.train()
    board = Returned(compiled.tracked()) if own else compiled.scoreboard()
    plan.run.open(board)
    compiled.present = Pass(lambda: board.rows, plan.feed.samples or 0)

    def logs() -> Logs:
        return Logs(board.names, board.moment().read, plan.unlisted())

    for batches, batch in enumerate(given, start=done + 1):
        hooks.begin(batches - 1)
        if turns.asked:
            turns.give_way()  # to a save in another thread, between two steps
        with turns.lock:
            if isinstance(board, Returned):
                returned = model.train_step(as_data(batch))
                board.add(returned, batch_size(batch[0]))
                compiled.batch_loss = returned.get("loss")
            else:
                train_step(compiled, batch, board)
        hooks.end(batches - 1, logs)
        if model.stop_training:
            break
        if saves:
            callbacks.save_point(Position(epoch, batches))
    hooks.finish(logs)
    if batches < (plan.feed.steps or 1) and not model.stop_training:
        plan.ran_out(epoch, batches)
        if not batches:
            return None
    board.close()
    if saves and plan.validation is not None and plan.validates_after(epoch):
        plan.run.hold(Position(epoch, batches), callbacks.validating())
    plan.run.open(None)
    return board.moment()


def evaluate_feed(
    compiled: Compiled,
    callbacks: CallbackList,
    feed: Feed,
    epoch: int = 0,
    extra: Sequence[Scored] = (),
) -> Moment | Returned:
    """Pass once over the data without training, and return its losses and metrics."""
    model = compiled.model
    saves, own = bool(callbacks.savers), "test_step" in compiled.own
    hooks = BatchHooks(callbacks, "test")
    watched = compiled.is_fitting and any(c.takes_predictions for c in callbacks)
    callbacks.on_test_begin()
    model.eval()
    board = Returned(compiled.tracked()) if own else compiled.scoreboard(extra)
    # A callback may evaluate inside of an epoch.
    outer, compiled.present = compiled.present, Pass(lambda: board.rows, feed.samples or 0)

    def logs() -> Logs:
        return Logs(board.names, board.moment().read)

    with torch.no_grad():
        for index, batch in enumerate(feed.epoch(epoch)):
            hooks.begin(index)
            if isinstance(board, Returned):
                board.add(model.test_step(as_data(batch)), batch_size(batch[0]))
            else:
                outputs = test_step(compiled, batch, board)
                if watched:
                    callbacks.take_predictions(batch[1], outputs, batch[2])
            hooks.end(index, logs)
            if saves:
                callbacks.leave_point()
            if model.stop_evaluating:
                break
    hooks.finish(logs)
    board.close()
    moment = board.moment()
    callbacks.on_test_end(Logs(board.names, moment.read))
    compiled.present = outer
    return moment


def run_evaluate(plan: EvaluatePlan) -> dict[str, Any]:
    """Evaluate and return every loss and metric by name, as numbers."""
    with _released(plan), plan.compiled.metrics_kept():
        plan.model.stop_evaluating = False
        moment = evaluate_feed(plan.compiled, plan.callbacks, plan.feed, extra=plan.extra)
        return {name: moment.read(name) for name in moment.names}


def run_predict(plan: PredictPlan) -> Any:
    """Return the outputs for all of the data as NumPy arrays."""
    model, callbacks = plan.model, plan.callbacks
    hooks, own = BatchHooks(callbacks, "predict"), "predict_step" in plan.compiled.own
    outputs, seen = list[Any](), 0

    def logs() -> dict[str, Any]:
        return {"outputs": map_leaves(lambda leaf: leaf.cpu().numpy(), outputs[-1])}

    with _released(plan), torch.no_grad():
        model.eval()
        model.stop_predicting = False
        outer = plan.compiled.present
        plan.compiled.present = Pass(lambda: seen, plan.feed.samples or 0)
        callbacks.on_predict_begin()
        for index, batch in enumerate(plan.feed.epoch(0)):
            hooks.begin(index)
            batch = (batch[0], None, None)
            output = (
                model.predict_step(as_data(batch)) if own else predict_step(plan.compiled, batch)
            )
            outputs.append(output)
            seen += batch_size(batch[0])
            hooks.end(index, logs)
            if model.stop_predicting:
                break
        hooks.finish(logs)
        callbacks.on_predict_end()
        plan.compiled.present = outer
        return joined(outputs)


def joined(outputs: list[Any]) -> Any:
    """Return the outputs of several batches as one NumPy array (or a nest of them).

    Raises:
        UsageError: If they are of different shapes.
    """

    def join(*parts: torch.Tensor) -> Any:
        shapes = sorted({tuple(part.shape[1:]) for part in parts})
        if len(shapes) > 1:
            raise UsageError(
                f"predict: outputs of {shapes[0]} and of {shapes[1]} a row do not fit into one "
                "array; pad all batches to one length, or call predict_on_batch for each"
            )
        whole = torch.cat(parts) if parts[0].ndim else torch.stack(parts)
        if whole.dtype == torch.bfloat16:
            whole = whole.float()  # NumPy has no such type
        return whole.cpu().numpy()

    return map_leaves(join, *outputs)


@contextlib.contextmanager
def _released(plan: FitPlan | EvaluatePlan | PredictPlan) -> Iterator[None]:
    """Leave the model usable and every file closed, whatever ends the run."""
    training = plan.model.training
    try:
        yield
    except BaseException as error:
        # Half a backward pass must not reach the first update of the next run.
        plan.compiled.drop_gradients()
        plan.callbacks.failed(error)
        raise
    finally:
        plan.model.train(training and not isinstance(plan, FitPlan))
        plan.close()
        plan.callbacks.close()
