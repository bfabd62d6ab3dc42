"""What `fit`, `evaluate` or `predict` will do: every argument checked, once, before step 1."""

import math
import warnings
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from epochal.callbacks import Callback, CallbackList, History, ProgbarLogger
from epochal.callbacks.dispatch import by_needs
from epochal.core.errors import Problems, UsageError
from epochal.data import Feed, Source
from epochal.logs import LogNames, Logs, Moment, Returned, Scored
from epochal.state import Run
from epochal.training.arguments import FitArguments, Verbose, check_numbers, check_shared
from epochal.training.compiled import Compiled
from epochal.training.dry_run import choose_passing, dry_run, leaves_alone
from epochal.training.feeding import feed_of_one_pass, feeds_of_fit, first_look
from epochal.training.scores import MetricPlan

__all__ = [
    "EvaluatePlan",
    "FitPlan",
    "PredictPlan",
    "plan_evaluate",
    "plan_fit",
    "plan_predict",
]


@dataclass
class FitPlan:
    """A `fit` that can begin: nothing in it is left to be checked."""

    model: Any
    compiled: Compiled
    feed: Feed
    validation: Feed | None
    callbacks: CallbackList
    history: History
    epochs: int
    initial_epoch: int
    validation_freq: int | Sequence[int]
    list_learning_rate: bool
    run: Run
    first_rate: float = field(init=False)
    _unlisted: dict[str, float] = field(init=False)

    def __post_init__(self) -> None:
        self.first_rate = self._rate()
        self._unlisted = _rates(self.first_rate)

    def validates_after(self, epoch: int) -> bool:
        """Whether validation is due after this epoch."""
        if isinstance(self.validation_freq, int):
            return (epoch + 1) % self.validation_freq == 0
        return epoch + 1 in self.validation_freq

    def unlisted(self) -> dict[str, float]:
        """Return what can be read from any logs without being listed."""
        rate = self._rate()
        if rate != self._unlisted["lr"]:  # a new dict: logs may be kept and read later
            self._unlisted = _rates(rate)
        return self._unlisted

    def epoch_logs(self, trained: Moment | Returned, validated: Moment | Returned | None) -> Logs:
        """Return the logs of an epoch and its validation."""
        rate = self._rate()  # of this moment, whoever changes it later
        names = list(trained.names)
        if validated is not None:
            names += [f"val_{name}" for name in validated.names]
        # Listed when a schedule or a callback changes it, or when somebody else has.
        moved = self.compiled.optimizer is not None and rate != self.first_rate
        if self.list_learning_rate or moved:
            names.append("learning_rate")

        def read(name: str) -> Any:
            if name == "learning_rate" and name not in trained.names:
                return rate
            if validated is not None and name not in trained.names:
                return validated.read(name.removeprefix("val_"))
            return trained.read(name)

        return Logs(names, read, _rates(rate))

    def ran_out(self, epoch: int, batches: int) -> None:
        """End training because the data gave fewer batches than an epoch needs."""
        wanted = self.feed.steps
        warnings.warn(
            f"the data ran out in epoch {epoch + 1} of {self.epochs}, after {batches} of "
            f"{wanted or 'its'} batches; training ends here. Give an endless generator, or data "
            "that can be passed over again (arrays, a Dataset, a DataLoader).",
            stacklevel=4,
        )
        self.model.stop_training = True

    def close(self) -> None:
        """Let go of the data."""
        self.feed.close()
        if self.validation is not None:
            self.validation.close()

    def _rate(self) -> float:
        optimizer = self.compiled.optimizer
        return math.nan if optimizer is None else optimizer.present_rate


def _rates(rate: float) -> dict[str, float]:
    """Return a learning rate under both of its names."""
    return {"learning_rate": rate, "lr": rate}


@dataclass
class EvaluatePlan:
    """An `evaluate` that can begin."""

    model: Any
    compiled: Compiled
    feed: Feed
    callbacks: CallbackList
    extra: list[Scored]
    """Metrics that this call asked for beside the compiled ones."""

    def close(self) -> None:
        """Let go of the data."""
        self.feed.close()


@dataclass
class PredictPlan:
    """A `predict` that can begin."""

    model: Any
    compiled: Compiled
    feed: Feed
    callbacks: CallbackList

    def close(self) -> None:
        """Let go of the data."""
        self.feed.close()


def plan_fit(model: Any, compiled: Compiled, given: FitArguments) -> FitPlan:
    """Check everything `fit` was given, and return what the loop needs.

    Raises:
        UsageError: If anything cannot work; all problems found are in one error, and neither the
            model nor a file has been touched.
    """
    problems = Problems("fit")
    if compiled.optimizer is None and "train_step" not in compiled.own:
        problems.add("no optimizer is given; pass one to compile, as in compile('adam', 'mse')")
    verbose = check_numbers(given, problems)
    problems.raise_if_any()  # the data are looked at with numbers that make sense
    feeds = feeds_of_fit(given, compiled.device, problems)
    callbacks = CallbackList(given.callbacks)
    if feeds is None or problems:
        problems.raise_if_any()
        raise AssertionError  # unreachable: no feeds is always a problem
    feed, validation = feeds.train, feeds.validation
    if not leaves_alone(compiled, "train_step"):
        dry_run(compiled, first_look(feed, feeds.targets), problems)
    if validation is not None and not problems and not leaves_alone(compiled, "test_step"):
        found = Problems("validation_data")
        dry_run(compiled, first_look(validation), found)
        for text in found:
            problems.add(f"validation_data: {text}")
    history = _built_in(callbacks, verbose)
    changes_rate = compiled.scheduled or any(
        "learning_rate" in callback.provides for callback in callbacks
    )
    names = compiled.log_names(validation=validation is not None, learning_rate=changes_rate)
    callbacks.set_model(model)
    callbacks.set_params({"verbose": verbose, "epochs": given.epochs, "steps": feed.steps})
    _check_callbacks(callbacks, names, problems)
    problems.raise_if_any()
    compiled.build_optimizer()
    model.history = history
    rate = math.nan if compiled.optimizer is None else compiled.optimizer.present_rate
    return FitPlan(
        model,
        compiled,
        feed,
        validation,
        callbacks,
        history,
        given.epochs,
        given.initial_epoch,
        given.validation_freq,
        changes_rate,
        Run(model, feed, list(callbacks), rate, given.initial_epoch, validation),
    )


def plan_evaluate(
    model: Any,
    compiled: Compiled,
    source: Source,
    batch_size: int | None,
    steps: int | None,
    verbose: Verbose,
    callbacks: Any,
    metrics: Any = None,
) -> EvaluatePlan:
    """Check everything `evaluate` was given.

    Raises:
        UsageError: If anything cannot work.
    """
    problems = Problems("evaluate")
    shown = check_shared(batch_size, steps, verbose, problems)
    feed = feed_of_one_pass(source, batch_size, steps, compiled.device, problems)
    extra: list[Scored] = []
    if not leaves_alone(compiled, "test_step"):
        extra = dry_run(compiled, first_look(feed), problems, MetricPlan(metrics))
    elif metrics is not None:
        problems.add("metrics= needs the model's own test_step to be left as it is")
    hooks = CallbackList(callbacks)
    # Callbacks may be shared with `fit`, so what only `fit` logs may be watched here as well.
    names = compiled.log_names(validation=True, learning_rate=True)
    for callback in hooks:
        for name in callback.needs:
            _check_need(callback, name, names, problems)
    problems.raise_if_any()
    compiled.find_penalties()
    return EvaluatePlan(model, compiled, feed, _driven(model, hooks, shown, feed), extra)


def plan_predict(
    model: Any,
    compiled: Compiled,
    x: Any,
    batch_size: int | None,
    steps: int | None,
    verbose: Verbose,
    callbacks: Any,
) -> PredictPlan:
    """Check everything `predict` was given.

    Raises:
        UsageError: If anything cannot work.
    """
    problems = Problems("predict")
    shown = check_shared(batch_size, steps, verbose, problems)
    feed = feed_of_one_pass(Source(x), batch_size, steps, compiled.device, problems)
    if "predict_step" not in compiled.own:
        x_first = feed.peek()[0]
        choose_passing(compiled, x_first, problems)
        model.note_inputs(x_first)
    problems.raise_if_any()
    return PredictPlan(model, compiled, feed, _driven(model, callbacks, shown, feed))


def _built_in(callbacks: CallbackList, verbose: int) -> History:
    """Add the history and the progress bar behind the user's callbacks; return the history."""
    history = next((c for c in callbacks if isinstance(c, History)), None)
    if history is None:
        history = History()
        callbacks.append(history)
    if verbose and not any(isinstance(callback, ProgbarLogger) for callback in callbacks):
        callbacks.append(ProgbarLogger())
    return history


def _check_callbacks(callbacks: CallbackList, names: LogNames, problems: Problems) -> None:
    for callback in callbacks:
        for name in callback.provides:
            names.add(name)
    if len(callbacks.savers) > 1:
        names_of = ", ".join(type(callback).__name__ for callback in callbacks.savers)
        problems.add(f"{names_of}: two callbacks save this run; keep one of them")
    try:
        by_needs(list(callbacks))
    except UsageError as error:
        problems.add(str(error))
    for callback in callbacks:
        for name in callback.needs:
            _check_need(callback, name, names, problems)
        for text in callback.check(names):
            problems.add(text)


def _check_need(callback: Callback, name: str, names: LogNames, problems: Problems) -> None:
    problem = names.problem_with(name)
    if problem is not None:
        problems.add(f"{type(callback).__name__}: {problem}")


def _driven(model: Any, callbacks: Any, verbose: int, feed: Feed) -> CallbackList:
    found = callbacks if isinstance(callbacks, CallbackList) else CallbackList(callbacks)
    if verbose and not any(isinstance(callback, ProgbarLogger) for callback in found):
        found.append(ProgbarLogger())
    found.set_model(model)
    found.set_params({"verbose": verbose, "epochs": 1, "steps": feed.steps})
    return found
