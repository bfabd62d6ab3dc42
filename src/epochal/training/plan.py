"""What a call of `fit`, `evaluate` or `predict` means: every argument checked, once, before step 1."""

import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np

from epochal import data
from epochal.callbacks import CallbackList, History, ProgbarLogger
from epochal.core.errors import Problems
from epochal.core.random import draw_seed
from epochal.data import ArrayFeed, Arrays, Feed, Feeding, FixedSteps, Source
from epochal.logs import LogNames, Logs, Moment, Returned
from epochal.training.compiled import Compiled

__all__ = ["EvaluatePlan", "FitArguments", "FitPlan", "PredictPlan", "Verbose"]
__all__ += ["plan_evaluate", "plan_fit", "plan_predict"]

Verbose = Literal["auto"] | int


@dataclass
class FitArguments:
    """What `fit` was called with."""

    x: Any
    y: Any
    batch_size: int | None
    epochs: int
    verbose: Verbose
    callbacks: Any
    validation_split: float
    validation_data: Any
    shuffle: bool | Literal["batch"]
    class_weight: Mapping[int, float] | None
    sample_weight: Any
    initial_epoch: int
    steps_per_epoch: int | None
    validation_steps: int | None
    validation_batch_size: int | None
    validation_freq: int | Sequence[int]


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
    first_rate: float = field(init=False)

    def __post_init__(self) -> None:
        self.first_rate = self._rate()

    def validates_after(self, epoch: int) -> bool:
        """Whether validation follows this epoch."""
        if isinstance(self.validation_freq, int):
            return (epoch + 1) % self.validation_freq == 0
        return epoch + 1 in self.validation_freq

    def unlisted(self) -> dict[str, Callable[[], float]]:
        """Return what can be read from any logs without being listed."""
        return {"learning_rate": self._rate, "lr": self._rate}

    def epoch_logs(self, trained: Moment | Returned, validated: Moment | Returned | None) -> Logs:
        """Return the logs of an epoch and its validation."""
        rate = self._rate()  # of this moment, whoever changes it later
        names = list(trained.names)
        if validated is not None:
            names += [f"val_{name}" for name in validated.names]
        # Listed when a schedule or a callback changes it, or when somebody else has.
        if self.list_learning_rate or rate != self.first_rate:
            names.append("learning_rate")

        def read(name: str) -> Any:
            if name == "learning_rate" and name not in trained.names:
                return rate
            if validated is not None and name not in trained.names:
                return validated.read(name.removeprefix("val_"))
            return trained.read(name)

        return Logs(names, read, {"learning_rate": lambda: rate, "lr": lambda: rate})

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
        return float("nan") if optimizer is None else float(optimizer.learning_rate)


@dataclass
class EvaluatePlan:
    """An `evaluate` that can begin."""

    model: Any
    compiled: Compiled
    feed: Feed
    callbacks: CallbackList

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


def plan_fit(model: Any, compiled: Compiled | None, given: FitArguments) -> FitPlan:
    """Check everything `fit` was given, and return what the loop needs.

    Raises:
        UsageError: If anything cannot work; all problems found are in one error, and neither the
            model nor a file has been touched.
    """
    problems = Problems("fit")
    if compiled is None:
        problems.add("the model is not compiled; call model.compile(optimizer, loss) first")
        problems.raise_if_any()
        raise AssertionError  # unreachable: raise_if_any raised
    if compiled.optimizer is None and "train_step" not in compiled.own:
        problems.add("no optimizer is given; pass one to compile, as in compile('adam', 'mse')")
    verbose = _numbers(given, problems)
    problems.raise_if_any()  # the data are looked at with numbers that make sense
    seed = draw_seed()
    feeding = Feeding(given.batch_size, compiled.device, given.shuffle, seed)
    arrays, feed, validation = _feeds(given, feeding, problems)
    if feed is None:
        problems.raise_if_any()
        raise AssertionError  # unreachable: no feed is always a problem
    callbacks = CallbackList(given.callbacks)
    problems.raise_if_any()
    _prepare(compiled, feed, arrays, problems)
    if validation is not None and not problems:
        _check_validation(compiled, validation, problems)
    history = _built_in(callbacks, verbose)
    changes_rate = compiled.scheduled or any(
        "learning_rate" in callback.provides for callback in callbacks
    )
    names = compiled.log_names(validation=validation is not None, learning_rate=changes_rate)
    if not problems:
        _check_callbacks(callbacks, names, problems)
    problems.raise_if_any()
    compiled.build_optimizer()
    callbacks.set_model(model)
    callbacks.set_params({"verbose": verbose, "epochs": given.epochs, "steps": feed.steps})
    model.history = history
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
    )


def plan_evaluate(
    model: Any,
    compiled: Compiled | None,
    source: Source,
    batch_size: int | None,
    steps: int | None,
    verbose: Verbose,
    callbacks: Any,
) -> EvaluatePlan:
    """Check everything `evaluate` was given.

    Raises:
        UsageError: If anything cannot work.
    """
    problems = Problems("evaluate")
    if compiled is None:
        problems.add("the model is not compiled; call model.compile(optimizer, loss) first")
        problems.raise_if_any()
        raise AssertionError  # unreachable: raise_if_any raised
    shown = _shared(batch_size, steps, verbose, problems)
    feed = _one_pass(source, batch_size, steps, compiled, problems)
    _prepare(compiled, feed, None, problems)
    problems.raise_if_any()
    compiled.find_penalties()
    hooks = _driven(model, callbacks, shown, feed)
    return EvaluatePlan(model, compiled, feed, hooks)


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
    shown = _shared(batch_size, steps, verbose, problems)
    feed = _one_pass(Source(x), batch_size, steps, compiled, problems)
    if "predict_step" not in compiled.own:
        x_first = feed.peek()[0]
        compiled.choose_passing(x_first, problems)
    problems.raise_if_any()
    return PredictPlan(model, compiled, feed, _driven(model, callbacks, shown, feed))


def _numbers(given: FitArguments, problems: Problems) -> int:
    """Note numbers outside of what they can be; return `verbose` as a number."""
    for name, least in (("epochs", 0), ("initial_epoch", 0)):
        value = getattr(given, name)
        if not _is_integer(value):
            problems.add(f"{name} is {value!r}; give a whole number", of_type=True)
        elif value < least:
            problems.add(f"{name} is {value}; give {least} or more")
    for name in ("steps_per_epoch", "validation_steps", "validation_batch_size"):
        _at_least_one(getattr(given, name), name, problems)
    freq = given.validation_freq
    if isinstance(freq, int):
        if freq < 1 or isinstance(freq, bool):
            problems.add(f"validation_freq is {freq}; give 1 or more, or a list of epochs")
    elif not isinstance(freq, (list, tuple, set)) or not all(map(_is_integer, freq)):
        problems.add(
            f"validation_freq is {freq!r}; give every how many epochs, or a list of epochs, counted "
            "from 1",
            of_type=True,
        )
    if given.shuffle not in (True, False, "batch"):
        problems.add(f"shuffle is {given.shuffle!r}; give True, False or 'batch'")
    return _shared(given.batch_size, None, given.verbose, problems)


def _shared(batch_size: Any, steps: Any, verbose: Any, problems: Problems) -> int:
    _at_least_one(batch_size, "batch_size", problems)
    _at_least_one(steps, "steps", problems)
    if verbose == "auto":
        return 1
    if verbose not in (0, 1, 2):
        problems.add(f"verbose is {verbose!r}; give 0 (silent), 1 (progress bar), 2 or 'auto'")
        return 0
    return int(verbose)


def _feeds(
    given: FitArguments, feeding: Feeding, problems: Problems
) -> tuple[Arrays | None, Feed | None, Feed | None]:
    source = Source(given.x, given.y, given.sample_weight)
    arrays = data.to_arrays(source, problems, given.class_weight)
    validation = None
    once_more = feeding._replace(
        batch_size=given.validation_batch_size or given.batch_size, shuffle=False
    )
    if arrays is not None:
        if problems:
            return arrays, None, None
        if given.validation_split and given.validation_data is None:
            arrays, held_out = data.split_off(arrays, given.validation_split, problems)
            validation = data.array_feed(held_out, once_more)
        for text in data.non_finite(x=arrays.x, y=arrays.y, sample_weight=arrays.sample_weight):
            warnings.warn(f"fit: {text}; the loss will be NaN where they are used", stacklevel=4)
        if given.steps_per_epoch is not None and given.batch_size is None:
            rows = data.array_feed(arrays, feeding).samples
            feeding = feeding._replace(batch_size=-(-rows // given.steps_per_epoch))
        feed: Feed | None = data.array_feed(arrays, feeding)
    else:
        if given.validation_split:
            problems.add(
                f"validation_split needs arrays; x is a {type(given.x).__name__}: pass "
                "validation_data instead"
            )
        feed = data.make_feed(source, feeding, problems, given.class_weight)
    if given.validation_data is not None:
        if not isinstance(given.validation_data, (tuple, list)) or not data.is_arrays(
            given.validation_data[0] if given.validation_data else None
        ):
            once_more = once_more._replace(batch_size=given.validation_batch_size)
        validation = data.make_validation_feed(given.validation_data, once_more, problems)
    elif validation is None and not problems:
        for name in ("validation_steps", "validation_batch_size"):
            if getattr(given, name) is not None:
                problems.add(f"{name} is given without validation_data or validation_split")
    if feed is not None:
        feed = _epochs_of(feed, given, problems)
    if validation is not None:
        validation = _validation_of(validation, given, problems)
    return arrays, feed, validation


def _epochs_of(feed: Feed, given: FitArguments, problems: Problems) -> Feed:
    if given.steps_per_epoch is not None:
        return FixedSteps(feed, given.steps_per_epoch)
    if feed.once and given.epochs - given.initial_epoch > 1:
        problems.add(
            f"x is a {type(given.x).__name__}, which can be passed over only once, and there are "
            f"{given.epochs - given.initial_epoch} epochs: pass steps_per_epoch, or data that can be "
            "passed over again (a DataLoader, a Dataset, a list of batches)"
        )
    return feed


def _validation_of(feed: Feed, given: FitArguments, problems: Problems) -> Feed:
    if given.validation_steps is not None:
        return FixedSteps(feed, given.validation_steps, restart=True)
    if feed.once and given.epochs - given.initial_epoch > 1:
        problems.add(
            "validation_data can be passed over only once, and there are several epochs: pass "
            "validation_steps, or data that can be passed over again"
        )
    return feed


def _one_pass(
    source: Source,
    batch_size: int | None,
    steps: int | None,
    compiled: Compiled,
    problems: Problems,
) -> Feed:
    problems.raise_if_any()
    feed = data.make_feed(source, Feeding(batch_size, compiled.device), problems)
    problems.raise_if_any()
    assert feed is not None  # make_feed notes a problem where it returns none
    return feed if steps is None else FixedSteps(feed, steps, restart=True)


def _prepare(compiled: Compiled, feed: Feed, arrays: Arrays | None, problems: Problems) -> None:
    batch = feed.peek()
    if isinstance(feed, ArrayFeed) and arrays is None:
        arrays = Arrays(feed.x, feed.y, feed.sample_weight)
    targets = batch[1] if arrays is None else arrays.y
    compiled.prepare(batch, targets, problems, whole=arrays is None)


def _check_validation(compiled: Compiled, feed: Feed, problems: Problems) -> None:
    batch = feed.peek()
    targets = feed.y if isinstance(feed, ArrayFeed) else batch[1]
    found = Problems("validation_data")
    compiled.prepare(batch, targets, found, whole=not isinstance(feed, ArrayFeed))
    for text in found:
        problems.add(f"validation_data: {text}")


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
    for callback in callbacks:
        for name in callback.needs:
            problem = names.problem_with(name)
            if problem is not None:
                problems.add(f"{type(callback).__name__}: {problem}")
        for text in callback.check(names):
            problems.add(text)


def _driven(model: Any, callbacks: Any, verbose: int, feed: Feed) -> CallbackList:
    found = CallbackList(callbacks)
    if verbose and not any(isinstance(callback, ProgbarLogger) for callback in found):
        found.append(ProgbarLogger())
    found.set_model(model)
    found.set_params({"verbose": verbose, "epochs": 1, "steps": feed.steps})
    return found


def _at_least_one(value: Any, name: str, problems: Problems) -> None:
    if value is None:
        return
    if not _is_integer(value):
        problems.add(f"{name} is {value!r}; give a whole number", of_type=True)
    elif value < 1:
        problems.add(f"{name} is {value}; give 1 or more")


def _is_integer(value: Any) -> bool:
    return isinstance(value, (int, np.integer)) and not isinstance(value, bool)
