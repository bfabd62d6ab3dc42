"""Calls the hooks: in list order, on the main thread, with the culprit named when one fails."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from time import perf_counter
from typing import Any, Never

from epochal.callbacks.base import HOOKS, Callback
from epochal.core.errors import UsageError, UsageTypeError, reject_unknown
from epochal.state import Position, Run

__all__ = ["CallbackList", "by_needs"]

Hook = Callable[..., None]

_PAUSE = 0.05  # seconds in which those who only show something are not told of batches


class CallbackList:
    """Several callbacks that act as one.

    `fit` makes one of what it is given; a ready-made list can be passed too, to drive callbacks
    from a loop of your own.

    Args:
        callbacks: One callback, or a nest of lists of them; None for no callback.
        model: Handed to each of them.
        params: Handed to each of them: `verbose`, `epochs`, `steps`.

    Raises:
        UsageTypeError: If anything in it is not a callback (a class instead of an instance, say).

    Example:
        >>> class Count(Callback):
        ...     epochs = 0
        ...     def on_epoch_end(self, epoch, logs=None):
        ...         self.epochs += 1
        >>> count = Count()
        >>> CallbackList([count, [count]]).on_epoch_end(0, {})
        >>> count.epochs
        2
    """

    def __init__(
        self,
        callbacks: Any = None,
        model: Any = None,
        params: Mapping[str, Any] | None = None,
        **unknown: Never,
    ) -> None:
        reject_unknown(CallbackList.__init__, unknown)
        self.callbacks: list[Callback] = list(_flat(callbacks))
        self.model: Any = None
        self.params: Mapping[str, Any] | None = None
        self._hooks: dict[str, list[Hook]] = {}
        self._observers: list[Callback] = []
        self._only_shown: dict[str, bool] = {}
        self._next_show = 0.0
        if model is not None:
            self.set_model(model)
        if params is not None:
            self.set_params(params)

    def __iter__(self) -> Iterator[Callback]:
        return iter(self.callbacks)

    def __len__(self) -> int:
        return len(self.callbacks)

    def append(self, callback: Callback) -> None:
        """Add one callback at the end."""
        self.callbacks += _flat(callback)
        self._forget_hooks()

    def set_model(self, model: Any) -> None:
        """Hand the model to every callback."""
        self.model = model
        for callback in self.callbacks:
            callback.set_model(model)

    def set_params(self, params: Mapping[str, Any]) -> None:
        """Hand the run's parameters to every callback."""
        self.params = params
        for callback in self.callbacks:
            callback.set_params(dict(params))

    def hooks(self, name: str) -> list[Hook]:
        """Return what has to be called for one hook: nothing for a callback that leaves it empty.

        The loop asks once and skips making logs for hooks that nobody has.
        """
        if name not in self._hooks:
            # Only at the end of an epoch do callbacks read what others have added.
            ordered = by_needs(self.callbacks) if name == "on_epoch_end" else self.callbacks
            found = (_hook(callback, name) for callback in ordered)
            self._hooks[name] = [hook for hook in found if hook is not None]
        return self._hooks[name]

    def due(self, name: str) -> bool:
        """Whether a batch hook has to be called: not if all who have it only show, and just did."""
        if name not in self._only_shown:
            shown = (getattr(hook, "now_and_then", False) for hook in self.hooks(name))
            self._only_shown[name] = all(shown)
        if not self._only_shown[name]:
            return True
        now = perf_counter()
        if now < self._next_show:
            return False
        self._next_show = now + _PAUSE
        return True

    def _forget_hooks(self) -> None:
        self._hooks.clear()
        self._only_shown.clear()

    def take_predictions(self, y_true: Any, y_pred: Any, sample_weight: Any) -> None:
        """Hand a validation batch's outputs to every callback that wants them."""
        for callback in self.callbacks:
            if callback.takes_predictions:
                callback.take_predictions(y_true, y_pred, sample_weight)

    @property
    def savers(self) -> list[Callback]:
        """Return the callbacks that save runs."""
        return [callback for callback in self.callbacks if callback.saves_run]

    def set_run(self, run: Run) -> None:
        """Hand the run to every callback that saves runs, and tell all of them which one it is."""
        for callback in self.savers:
            callback.set_run(run)
        for callback in self.callbacks:
            callback.run_id = run.id

    def save_point(self, position: Position) -> None:
        """Say to those who save runs that this one can be saved now."""
        for callback in self.savers:
            callback.save_point(position)

    def leave_point(self) -> None:
        """Say to those who save runs that this one, inside of a validation, can be left now."""
        for callback in self.savers:
            callback.leave_point()

    def validating(self) -> list[Callback]:
        """Return the callbacks that a validation calls before its end."""
        hooks = ("on_test_begin", "on_test_batch_begin", "on_test_batch_end")
        return [
            callback
            for callback in self.callbacks
            if callback.takes_predictions or any(_hook(callback, hook) for hook in hooks)
        ]

    def failed(self, error: BaseException) -> None:
        """Tell every callback what ends the run; what goes wrong then is noted on that error."""
        for callback in self.callbacks:
            try:
                callback.failed(error)
            except Exception as second:
                error.add_note(f"{type(callback).__name__}.failed raised {second!r} on top of it")

    def close(self) -> None:
        """Close every callback; the first error is raised after all of them had their turn."""
        errors = []
        # Savers last: they may end the process, as a signal that came late has asked for.
        for callback in sorted(self.callbacks, key=lambda callback: callback.saves_run):
            try:
                callback.close()
            except Exception as error:
                error.add_note(f"raised by {type(callback).__name__}.close")
                errors.append(error)
        if errors:
            raise errors[0]

    def on_train_begin(self, logs: Any = None) -> None:
        """Call the hook of every callback."""
        self._forget_hooks()  # callbacks may have got functions since the last run
        self._observers = [callback for callback in self.callbacks if callback.observes]
        self._call("on_train_begin", logs)

    def on_train_end(self, logs: Any = None) -> None:
        """Call the hook of every callback."""
        self._call("on_train_end", logs)

    def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
        """Call the hook of every callback."""
        self._call("on_epoch_begin", epoch, logs)

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        """Call the hook of every callback."""
        self._call("on_epoch_end", epoch, logs)

    def on_train_batch_begin(self, batch: int, logs: Any = None) -> None:
        """Call the hook of every callback."""
        self.call_batch("on_train_batch_begin", batch, logs)

    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
        """Call the hook of every callback."""
        self.call_batch("on_train_batch_end", batch, logs)

    def on_batch_begin(self, batch: int, logs: Any = None) -> None:
        """Call the hook of every callback (the older name)."""
        self.call_batch("on_train_batch_begin", batch, logs)

    def on_batch_end(self, batch: int, logs: Any = None) -> None:
        """Call the hook of every callback (the older name)."""
        self.call_batch("on_train_batch_end", batch, logs)

    def on_test_begin(self, logs: Any = None) -> None:
        """Call the hook of every callback."""
        self._call("on_test_begin", logs)

    def on_test_end(self, logs: Any = None) -> None:
        """Call the hook of every callback."""
        self._call("on_test_end", logs)

    def on_test_batch_begin(self, batch: int, logs: Any = None) -> None:
        """Call the hook of every callback."""
        self.call_batch("on_test_batch_begin", batch, logs)

    def on_test_batch_end(self, batch: int, logs: Any = None) -> None:
        """Call the hook of every callback."""
        self.call_batch("on_test_batch_end", batch, logs)

    def on_predict_begin(self, logs: Any = None) -> None:
        """Call the hook of every callback."""
        self._call("on_predict_begin", logs)

    def on_predict_end(self, logs: Any = None) -> None:
        """Call the hook of every callback."""
        self._call("on_predict_end", logs)

    def on_predict_batch_begin(self, batch: int, logs: Any = None) -> None:
        """Call the hook of every callback."""
        self.call_batch("on_predict_batch_begin", batch, logs)

    def on_predict_batch_end(self, batch: int, logs: Any = None) -> None:
        """Call the hook of every callback."""
        self.call_batch("on_predict_batch_end", batch, logs)

    def call_batch(self, name: str, batch: int, logs: Any = None) -> None:
        """Call one batch hook of every callback that has it; logs go by keyword, as in Keras."""
        logs = {} if logs is None else logs
        for hook in self.hooks(name):
            began = perf_counter()
            try:
                hook(batch, logs=logs)
            except Exception as error:
                error.add_note(_culprit(hook, name))
                raise
            if self._observers:
                self._tell(hook, name, perf_counter() - began)

    def _call(self, name: str, *args: Any) -> None:
        if args[-1] is None:
            args = (*args[:-1], {})
        for hook in self.hooks(name):
            began = perf_counter()
            try:
                hook(*args)
            except Exception as error:
                error.add_note(_culprit(hook, name))
                raise
            if self._observers:
                self._tell(hook, name, perf_counter() - began)

    def _tell(self, hook: Hook, name: str, seconds: float) -> None:
        owner = _owner(self.callbacks, hook, name)
        for observer in self._observers:
            if owner is not observer:
                observer.observe(owner, name, seconds)


def by_needs(callbacks: Sequence[Callback]) -> list[Callback]:
    """Return callbacks in list order, but each after those that provide what it needs.

    Raises:
        UsageError: If they wait for each other in a circle.

    Example:
        >>> class Scores(Callback):
        ...     provides = ("val_f1",)
        >>> class Watches(Callback):
        ...     needs = ("val_f1",)
        >>> [type(callback).__name__ for callback in by_needs([Watches(), Scores()])]
        ['Scores', 'Watches']
    """
    waiting, ordered = list(callbacks), list[Callback]()
    while waiting:
        for callback in waiting:
            if not any(_feeds(other, callback) for other in waiting if other is not callback):
                ordered.append(callback)
                waiting.remove(callback)
                break
        else:
            names = ", ".join(
                f"{type(c).__name__} (adds {list(c.provides)}, reads {list(c.needs)})"
                for c in waiting
                if c.provides
            )
            raise UsageError(f"callbacks wait for each other's logs in a circle: {names}")
    return ordered


def _feeds(provider: Callback, reader: Callback) -> bool:
    if reader.reads_all:
        return bool(provider.provides) and not provider.reads_all
    return any(name in reader.needs for name in provider.provides)


# Batch hooks of training have an older name, to which the base class forwards.
_OLDER = {"on_train_batch_begin": "on_batch_begin", "on_train_batch_end": "on_batch_end"}


def _hook(callback: Callback, name: str) -> Hook | None:
    """Return a callback's own hook, or None where it has only the empty one of the base class."""
    if name in callback.idle:
        return None
    hook: Hook = getattr(callback, name)
    if getattr(hook, "__func__", hook) is not getattr(Callback, name):
        return hook
    return _hook(callback, _OLDER[name]) if name in _OLDER else None


def _owner(callbacks: Sequence[Callback], hook: Hook, name: str) -> Callback:
    """Return the callback a hook belongs to; a `LambdaCallback`'s are functions of others."""
    owner = getattr(hook, "__self__", None)
    if isinstance(owner, Callback):
        return owner
    older = _OLDER.get(name, name)
    return next(c for c in callbacks if hook in (getattr(c, name), getattr(c, older)))


def _culprit(hook: Hook, name: str) -> str:
    owner = getattr(hook, "__self__", None)
    kind = type(owner).__name__ if isinstance(owner, Callback) else "LambdaCallback"
    return f"raised in {kind}.{name}"


def _flat(callbacks: Any) -> Iterator[Callback]:
    if callbacks is None:
        return
    if isinstance(callbacks, type) and issubclass(callbacks, Callback):
        raise UsageTypeError(
            f"callbacks: got the class {callbacks.__name__}; make one: {callbacks.__name__}(...)"
        )
    if isinstance(callbacks, Callback):
        yield callbacks
    elif isinstance(callbacks, Mapping):
        for callback in callbacks.values():
            yield from _flat(callback)
    elif isinstance(callbacks, Iterable) and not isinstance(callbacks, str):
        for callback in callbacks:
            yield from _flat(callback)
    else:
        missing = [hook for hook in HOOKS if not callable(getattr(callbacks, hook, None))]
        hint = "" if len(missing) == len(HOOKS) else f" (it lacks {', '.join(missing[:3])})"
        raise UsageTypeError(
            f"callbacks: got {callbacks!r}{hint}; expected epochal.callbacks.Callback objects"
        )
