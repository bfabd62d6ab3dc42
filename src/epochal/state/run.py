"""A run as it stands between two steps: everything that decides how it goes on."""

import copy
from collections.abc import Collection, Iterable, Mapping, Sequence
from itertools import chain
from typing import Any, NamedTuple, Protocol

import torch
from torch import Tensor

from epochal.core.errors import UsageError
from epochal.core.generators import capture_generators, restore_generators
from epochal.data import Feed
from epochal.layers import Layer
from epochal.state.belongings import Belongings
from epochal.state.identity import check_same, conditions, differences, identity
from epochal.state.packing import pack, unpack

__all__ = ["Position", "Run"]

VERSION = 4


class Position(NamedTuple):
    """How far a run has come.

    Args:
        epoch: The epoch it stands in, counted from 0.
        batches: How many batches of it have been used; 0 before its first.
    """

    epoch: int
    batches: int

    def __str__(self) -> str:
        """Return it as people count: the first epoch is 1."""
        return f"epoch {self.epoch + 1}, batch {self.batches}"


class _Stateful(Protocol):
    def state_dict(self) -> dict[str, Any]:
        """Return what comes back."""

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Take it back."""

    def before_resume(self, state: Mapping[str, Any]) -> None:
        """Learn what will come back, before anything is opened."""


class Board(Protocol):
    """The sums of an epoch that is under way."""

    def state_dict(self) -> dict[str, Any]:
        """Return them."""

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Take them back."""


class _Held(NamedTuple):
    """What a validation may change, as it was before."""

    position: Position
    parts: dict[str, Any]
    callbacks: list[tuple[_Stateful, dict[str, Any]]]
    weights: list[tuple[Tensor, int, int]]


class Run:
    """A `fit` that can be captured between two steps, and brought back in another process.

    Args:
        model: The model, compiled.
        feed: What it is trained on.
        callbacks: All callbacks, in order.
        rate: The learning rate that the script asked for; NaN without an optimizer.
        initial_epoch: The epoch that the script asked to begin with.
        validation: What it is validated on.
    """

    def __init__(
        self,
        model: Any,
        feed: Feed,
        callbacks: Sequence[_Stateful],
        rate: float,
        initial_epoch: int = 0,
        validation: Feed | None = None,
    ) -> None:
        self.model = model
        self.feed = feed
        self.callbacks = callbacks
        self.rate = rate
        self.initial_epoch = initial_epoch
        self.validation = validation
        self.fits: int = model.fits
        """How many fits of the model had ended when this one, or the one it goes on with, began."""
        self.id: str | None = None
        """What tells it from other runs that were saved, whichever process it is in."""
        self.start: Position | None = None
        """Where a run that goes on stood; None for one that begins."""
        self.trained = False
        """Whether a run that goes on stood in a validation: all batches of its epoch are used."""
        self.last_logs: dict[str, Any] = {}
        """What the last finished epoch logged."""
        self._board: Board | None = None
        self._waiting: dict[str, Any] | None = None
        self._held: _Held | None = None
        self._belongings: Belongings | None = None

    def follow(self) -> None:
        """Be told, before anything is trained, that the run will be captured."""
        self._belongings = Belongings(self.model, self.callbacks)
        for feed in (self.feed, self.validation):
            if feed is not None:
                feed.follow()

    @property
    def belongings(self) -> Belongings:
        """What the model and the callbacks hold, watched since `follow`."""
        if self._belongings is None:
            self.follow()
        assert self._belongings is not None  # made just now
        return self._belongings

    def hold(self, position: Position, validating: Collection[_Stateful]) -> None:
        """Keep what a validation may change, so that the run can be left in the middle of one.

        Weights are looked at and not copied; it costs a fraction of a millisecond.

        Args:
            position: The epoch, and all of its batches.
            validating: The callbacks that a validation calls before its end.
        """
        states = [(callback, copy.deepcopy(callback.state_dict())) for callback in validating]
        parts = copy.deepcopy(self._changing(position, used=0))  # the training data are at an end
        self._held = _Held(position, {**parts, "trained": True}, states, self._versions())

    @property
    def held(self) -> Position | None:
        """Where the run stood before the validation; None if it has changed weights since."""
        held = self._held
        if held is None:
            return None
        same = [
            now is then and now._version == version and now.data_ptr() == place
            for now, (then, version, place) in zip(self._tensors(), held.weights, strict=True)
        ]
        return held.position if all(same) else None

    def capture(self, position: Position) -> tuple[dict[str, Tensor], Any]:
        """Return the run's tensors by name (the live ones, not copies) and everything else.

        Args:
            position: Where the run stands.

        Raises:
            UsageError: If something in it cannot be held by a file, or a position inside of an
                epoch cannot be found again in these data.
        """
        held = None if self._held is None or self._held.position != position else self._held
        if position.batches and held is None:
            reason = self.feed.unresumable()
            if reason is not None:
                raise UsageError(reason)
        model = self.model
        tree = {
            "version": VERSION,
            "position": list(position),
            "identity": self.identity(),
            "conditions": conditions(),
            "rate": self.rate,
            "fits": self.fits,
            "weights": dict(model.state_dict()),
            "buffers": self._unlisted_buffers(),
            "frozen": [name for name, p in model.named_parameters() if not p.requires_grad],
            "untrainable": [name for name, layer in self._layers() if not layer.trainable],
            "optimizer": None if model.optimizer is None else model.optimizer.state_dict(),
            "belongings": self.belongings.state_dict(),
            **(self._changing(position, position.batches) if held is None else held.parts),
            "callbacks": [
                {"class": type(callback).__name__, "state": state}
                for callback, state in self._states([] if held is None else held.callbacks)
            ],
            "last_logs": self.last_logs,
            "stop_training": bool(model.stop_training),
            "diverged": bool(model.diverged),
        }
        return pack(tree, "the run")

    def prepare(self, tensors: Mapping[str, Tensor], plain: Any) -> Position | None:
        """Take what was captured; nothing is changed before `restore`.

        Returns:
            Where the run stood; None if the script asks to begin behind that.

        Raises:
            UsageError: If it was captured of another run than this one; every difference is listed.
        """
        if not isinstance(plain, dict) or plain.get("version") != VERSION:
            raise UsageError("the checkpoint is of another version of epochal; begin anew")
        tree = unpack(tensors, plain)
        if tree["position"][0] < self.initial_epoch:
            return None
        check_same(tree, self.identity(), self.fits)
        self.fits = tree["fits"]
        self._waiting = tree
        for callback, state in self._paired(tree["callbacks"]):
            callback.before_resume(state)
        self.start = Position(*tree["position"])
        self.trained = tree["trained"]
        return self.start

    def doubts(self) -> Iterable[str]:
        """Return why the run that was prepared may not end bit for bit as it would have."""
        saved = (self._waiting or {}).get("conditions", {})
        for name, value in conditions().items():
            if saved.get(name) != value:
                yield f"{name} was {saved.get(name)} and is {value}"
        then = (self._waiting or {}).get("identity", {}).get("validation")
        if then is not None and self.validation is not None:
            yield from differences("validation data", then, self.validation.describe())
        if self.start is not None and self.start.epoch:
            for feed in (self.feed, self.validation):
                doubt = None if feed is None else feed.doubt()
                if doubt is not None:
                    yield doubt

    def restore(self, *, as_it_was: bool = False) -> None:
        """Put back what `prepare` has taken; the sums of an open epoch wait for `open`.

        Args:
            as_it_was: Whether nothing is left to train: the learning rate stays what it was.
        """
        tree = self._waiting
        if tree is None:
            return
        model = self.model
        for name, layer in self._layers():
            layer.trainable = name not in tree["untrainable"]
        with torch.no_grad():
            model.load_state_dict(tree["weights"])
            buffers = dict(model.named_buffers())
            for name, value in tree["buffers"].items():
                buffers[name].copy_(value)
        for name, parameter in model.named_parameters():
            parameter.requires_grad_(name not in tree["frozen"])
        if model.optimizer is not None and tree["optimizer"] is not None:
            model.optimizer.load_state_dict(tree["optimizer"])
            asked = self.rate != tree["rate"] and not as_it_was
            if asked and not model.optimizer.scheduled:
                model.optimizer.learning_rate = self.rate  # the script asks for another one now
        self.belongings.load_state_dict(tree["belongings"])
        self.belongings.put_attributes(tree["attributes"])
        for metric, state in zip(
            self._metrics(Position(*tree["position"])), tree["metrics"], strict=True
        ):
            metric.take_everything(state)
        for callback, state in self._paired(tree["callbacks"]):
            callback.load_state_dict(state)
        self.last_logs = tree["last_logs"]
        model.stop_training, model.diverged = tree["stop_training"], tree["diverged"]
        self.feed.resume(tree["feed"])
        if self.validation is not None and tree["validation"] is not None:
            self.validation.resume(tree["validation"])
        restore_generators(tree["generators"], self.belongings.owners())

    def open(self, board: Board | None) -> None:
        """Take the sums of an epoch that begins, and give those of a resumed one back.

        Args:
            board: The sums; None when the epoch is over.
        """
        self._board = board
        waiting, self._waiting = self._waiting, None
        if board is not None and waiting is not None and waiting["board"] is not None:
            board.load_state_dict(waiting["board"])

    def identity(self) -> dict[str, Any]:
        """Return what makes this run the one it is: with anything else of it, it is another."""
        return identity(self.model, self.feed, self.validation)

    def _changing(self, position: Position, used: int) -> dict[str, Any]:
        """Return what goes on changing when no weight is trained."""
        return {
            "generators": capture_generators(self.belongings.owners()),
            "feed": self.feed.position(used),
            "validation": None if self.validation is None else self.validation.position(0),
            "board": None if self._board is None else self._board.state_dict(),
            "metrics": [metric.everything() for metric in self._metrics(position)],
            "attributes": self.belongings.attributes(),
            "trained": False,
        }

    def _states(
        self, held: Sequence[tuple[_Stateful, dict[str, Any]]]
    ) -> Iterable[tuple[_Stateful, dict[str, Any]]]:
        """Return every callback with its state, or the one that is held of it."""
        for callback in self.callbacks:
            kept = [state for other, state in held if other is callback]
            yield callback, kept[0] if kept else callback.state_dict()

    def _tensors(self) -> list[Tensor]:
        return list(chain(self.model.parameters(), self.model.buffers()))

    def _versions(self) -> list[tuple[Tensor, int, int]]:
        return [(tensor, tensor._version, tensor.data_ptr()) for tensor in self._tensors()]

    def _paired(self, saved: Sequence[Any]) -> Iterable[tuple[_Stateful, Mapping[str, Any]]]:
        """Return callbacks with their states: the first of a class has the first state of it."""
        left = list(saved)
        for callback in self.callbacks:
            for entry in left:
                if entry["class"] == type(callback).__name__:
                    left.remove(entry)
                    yield callback, entry["state"]
                    break

    def _metrics(self, position: Position) -> list[Any]:
        """Return metrics that a step of the user's own updates, if an epoch is under way."""
        return [m for m in self.model.metrics if position.batches]

    def _layers(self) -> Iterable[tuple[str, Layer]]:
        return [(n, m) for n, m in self.model.named_modules() if isinstance(m, Layer)]

    def _unlisted_buffers(self) -> dict[str, Tensor]:
        """Return the buffers that no file of weights holds and that may change all the same."""
        listed = self.model.state_dict()
        return {name: b for name, b in self.model.named_buffers() if name not in listed}
