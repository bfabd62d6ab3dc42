"""What a step of `fit` costs above the same step in a loop by hand, and what looking at it adds."""

import argparse
import contextlib
import io
from typing import Any

import torch
from by_hand import ByHand
from keras_like import KerasLike
from rounds import Work, compare, same
from with_fit import with_fit
from workloads import make

from epochal.callbacks import Callback


class Empty(Callback):
    """A batch hook that looks at nothing."""

    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
        pass


class Reader(Callback):
    """A batch hook that waits for the loss of every batch."""

    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
        self.seen = logs["loss"]


class Terminal(io.StringIO):
    """What a progress bar takes for a terminal."""

    def isatty(self) -> bool:
        return True


def with_bar(fit: KerasLike, callbacks: tuple[Callback, ...] = ()) -> Work:
    """Return an epoch with a progress bar on a terminal."""

    def work() -> object:
        with contextlib.redirect_stdout(Terminal()):
            return fit.run(1, callbacks=callbacks, verbose=1)

    return work


def check(rows: int = 640) -> None:
    """Stop unless both ways compute the same."""
    for name in ("overhead", "overhead, accuracy"):
        workload = make(name, rows)
        hand, fit = ByHand(workload), with_fit(workload)
        same(name, fit.run(1, shuffle=False)[0], hand.run(1, shuffle=False)[0])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--steps", type=int, default=2000)
    parser.add_argument("--rounds", type=int, default=15)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    check()
    plain = make("overhead", 32 * arguments.steps)
    scored = make("overhead, accuracy", 32 * arguments.steps)
    hand, hand_scored = ByHand(plain), ByHand(scored)
    fit, fit_scored = with_fit(plain), with_fit(scored)
    compare(
        "One step of 32-64-64-1, batch 32",
        "step",
        plain.units,
        {
            "loop by hand": lambda: hand.run(1),
            "loop by hand, accuracy": lambda: hand_scored.run(1),
            "fit": lambda: fit.run(1),
            "fit, accuracy": lambda: fit_scored.run(1),
            "fit, empty batch hook": lambda: fit.run(1, callbacks=[Empty()]),
            "fit, hook that reads the loss": lambda: fit.run(1, callbacks=[Reader()]),
            "fit, progress bar": with_bar(fit),
            "fit, all of them": with_bar(fit_scored, (Empty(), Reader())),
        },
        arguments.rounds,
    )


if __name__ == "__main__":
    main()
