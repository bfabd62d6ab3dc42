"""What a callback is: sixteen hooks, what it reads, what it adds, and what it remembers."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, ClassVar, Final, TypeVar

from epochal.core.errors import UsageTypeError, unknown_name
from epochal.logs import LogNames
from epochal.state import Position, Run

__all__ = ["HOOKS", "Callback"]

HOOKS: Final = (
    "on_train_begin",
    "on_train_end",
    "on_epoch_begin",
    "on_epoch_end",
    "on_train_batch_begin",
    "on_train_batch_end",
    "on_batch_begin",
    "on_batch_end",
    "on_test_begin",
    "on_test_end",
    "on_test_batch_begin",
    "on_test_batch_end",
    "on_predict_begin",
    "on_predict_end",
    "on_predict_batch_begin",
    "on_predict_batch_end",
)


Hooked = TypeVar("Hooked", bound=Callable[..., None])


def now_and_then(hook: Hooked) -> Hooked:
    """Mark a batch hook that only shows something: some calls a second are enough for it.

    The loop leaves calls out where nobody else wants to know of a batch; the last one of a pass is
    always told.
    """
    hook.now_and_then = True  # type: ignore[attr-defined]
    return hook


class Callback:
    """Base of every callback; override the hooks you need.

    Hooks run on the main thread, in the order of the list given to `fit`. `self.model` is the model
    and `self.params` holds `verbose`, `epochs` and `steps`. Set `self.model.stop_training = True`
    to end training after the batch at hand.

    A misspelt hook is an error when the class is made. An exception in a hook ends training and
    says which callback and which hook it came from.

    Example:
        >>> class Shout(Callback):
        ...     def on_epoch_end(self, epoch, logs=None):
        ...         print(f"epoch {epoch}: {logs['loss']:.2f}")
        >>> Shout().on_epoch_end(3, {"loss": 0.25})
        epoch 3: 0.25
    """

    model: Any = None
    params: Mapping[str, Any] | None = None

    needs: Sequence[str] = ()
    """Names this callback reads from the logs; a name that nothing will log is an error before
    training. Built-in callbacks put their `monitor` here."""

    provides: Sequence[str] = ()
    """Names this callback adds to the logs of `on_epoch_end`, such as `("val_f1",)`."""

    reads_all: ClassVar[bool] = False
    """Whether it looks at everything logged, and so runs after all who add to it."""

    takes_predictions: ClassVar[bool] = False
    """Whether `take_predictions` wants the outputs of every validation of `fit`."""

    observes: ClassVar[bool] = False
    """Whether `observe` wants to know how long every hook takes."""

    idle: Sequence[str] = ()
    """Hooks that this object has and does not need, such as a batch hook while it saves by epoch;
    they are not called, and if nobody else has them the loop makes no logs for them."""

    state: ClassVar[Sequence[str]] = ()
    """Attributes that a resumed run needs back, such as `("best", "wait")`."""

    run_id: str | None = None
    """Of the run, if it is saved: the same after each death, another for another run."""

    saves_run: ClassVar[bool] = False
    """Whether it saves runs: it is given the `Run`, and called wherever one can be saved."""

    def __init_subclass__(cls, **keywords: Any) -> None:
        super().__init_subclass__(**keywords)
        for name, member in vars(cls).items():
            if name.startswith("on_") and callable(member) and name not in HOOKS:
                raise UsageTypeError(
                    f"{cls.__name__}: {unknown_name('hook', name, HOOKS)} "
                    "Nothing would ever call it; rename it, or drop the leading 'on_'."
                )

    def set_model(self, model: Any) -> None:
        """Take the model; called before `set_params` and before any hook."""
        self.model = model

    def set_params(self, params: Mapping[str, Any]) -> None:
        """Take `verbose`, `epochs` and `steps` of the run."""
        self.params = params

    def check(self, names: LogNames) -> Iterable[str]:
        """Return what is wrong, one sentence each; called before the first step of `fit`.

        Args:
            names: What will be logged, and which way each name gets better.
        """
        return ()

    def take_predictions(self, y_true: Any, y_pred: Any, sample_weight: Any) -> None:
        """Take one validation batch's targets, outputs and weights, on the model's device."""

    def observe(self, callback: "Callback", hook: str, seconds: float) -> None:
        """Learn how long a hook of another callback took."""

    def set_run(self, run: Run) -> None:
        """Take the run, to bring it back; called before `on_train_begin` if it saves runs."""

    def save_point(self, position: Position) -> None:
        """Save the run if it is due; called after each batch and each epoch, all hooks done."""

    def leave_point(self) -> None:
        """Leave the run if somebody asked to; called after each batch of a validation of `fit`."""

    def failed(self, error: BaseException) -> None:
        """Learn which exception ends `fit`, `evaluate` or `predict`; called before `close`."""

    def close(self) -> None:
        """Let go of files and screens; called when `fit` ends in any way, also by an exception."""

    def state_dict(self) -> dict[str, Any]:
        """Return what a resumed run needs back, by name."""
        return {name: getattr(self, name) for name in self.state}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Take back what `state_dict` returned.

        Raises:
            UsageTypeError: If a name is missing or unknown.
        """
        for name in {*state, *self.state}:
            if name not in self.state or name not in state:
                have = "state" if name in state else "class"
                raise UsageTypeError(
                    f"{type(self).__name__}: only the {have} has {name!r}; "
                    f"got {sorted(state)}, expected {sorted(self.state)}"
                )
            setattr(self, name, state[name])

    def before_resume(self, state: Mapping[str, Any]) -> None:
        """Learn what `load_state_dict` will be given after `on_train_begin`, in a run that goes on.

        For callbacks that open files in `on_train_begin`: they continue them instead.
        """

    def on_train_begin(self, logs: Any = None) -> None:
        """Run before the first epoch."""

    def on_train_end(self, logs: Any = None) -> None:
        """Run after the last epoch, with its logs; not when training ends by an exception."""

    def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
        """Run before an epoch's first batch. Epochs count from 0."""

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        """Run after an epoch and its validation, with the logs of both."""

    def on_train_batch_begin(self, batch: int, logs: Any = None) -> None:
        """Run before a training step. Batches count from 0 in each epoch."""
        self.on_batch_begin(batch, logs=logs)

    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
        """Run after a training step, with means over the epoch so far, computed when read."""
        self.on_batch_end(batch, logs=logs)

    def on_batch_begin(self, batch: int, logs: Any = None) -> None:
        """Run before a training step (the older name of `on_train_batch_begin`)."""

    def on_batch_end(self, batch: int, logs: Any = None) -> None:
        """Run after a training step (the older name of `on_train_batch_end`)."""

    def on_test_begin(self, logs: Any = None) -> None:
        """Run before `evaluate` and before each validation of `fit`."""

    def on_test_end(self, logs: Any = None) -> None:
        """Run after `evaluate` and after each validation of `fit`, with its logs."""

    def on_test_batch_begin(self, batch: int, logs: Any = None) -> None:
        """Run before a batch of an evaluation."""

    def on_test_batch_end(self, batch: int, logs: Any = None) -> None:
        """Run after a batch of an evaluation, with means over it so far."""

    def on_predict_begin(self, logs: Any = None) -> None:
        """Run before `predict`."""

    def on_predict_end(self, logs: Any = None) -> None:
        """Run after `predict`."""

    def on_predict_batch_begin(self, batch: int, logs: Any = None) -> None:
        """Run before a batch of `predict`."""

    def on_predict_batch_end(self, batch: int, logs: Any = None) -> None:
        """Run after a batch of `predict`, with its `outputs`."""
