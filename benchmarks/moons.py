"""The smallest real run: 80 rows, 3 steps an epoch, validation after each.

Nearly all of its time is what surrounds the arithmetic, so nothing hides what a loop costs.
"""

import argparse

import torch
from by_hand import ByHand
from rounds import compare, same
from with_fit import with_fit
from workloads import make


def check(epochs: int = 20) -> None:
    """Stop unless both ways reach the same validation loss."""
    for name in ("moons", "moons, five callbacks"):
        workload = make(name, epochs)
        hand, fit = ByHand(workload), with_fit(workload)
        hand.run(epochs, shuffle=False)
        fit.run(epochs, shuffle=False)
        for key, values in hand.logs.items():
            same(f"{name}, {key}", fit.logs[key][-1], values[-1])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--epochs", type=int, default=200)
    parser.add_argument("--rounds", type=int, default=15)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    check()
    epochs = arguments.epochs
    plain, watched = make("moons", epochs), make("moons, five callbacks", epochs)
    hand, fit, five = ByHand(plain), with_fit(plain), with_fit(watched)
    accuracy = with_fit(make("moons, five callbacks", epochs, callbacks=False))
    compare(
        "Moons: 2-100-1, 3 steps and a validation",
        "epoch",
        epochs,
        {
            "loop by hand": lambda: hand.run(epochs),
            "fit": lambda: fit.run(epochs),
            "fit, accuracy": lambda: accuracy.run(epochs),
            "fit, accuracy, five callbacks": lambda: five.run(epochs),
        },
        arguments.rounds,
    )


if __name__ == "__main__":
    main()
