"""Small nets as they are and with `compile(jit_compile=True)`; compiling itself is timed apart."""

import argparse
import time
from functools import partial

import torch
from by_hand import ByHand
from keras_like import KerasLike
from rounds import compare, same
from with_fit import with_fit
from workloads import Workload, make


def compiled(workload: Workload) -> tuple[KerasLike, float]:
    """Return a compiled training and the seconds until its first epoch was over."""
    fit = with_fit(workload, jit=True)
    began = time.perf_counter()
    loss = fit.run(1, shuffle=False)[0]
    took = time.perf_counter() - began
    same(f"{workload.net}, compiled", loss, ByHand(workload).run(1, shuffle=False)[0])
    return fit, took


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--steps", type=int, default=1000)
    parser.add_argument("--rounds", type=int, default=9)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    for workload, title in (
        (make("overhead", 32 * arguments.steps), "32-64-64-1, batch 32"),
        (make("moons", arguments.steps // 10), "Moons: 2-100-1, 3 steps and a validation"),
    ):
        hand, plain = ByHand(workload), with_fit(workload)
        jitted, seconds = compiled(workload)
        epochs = workload.epochs
        compare(
            f"{title}; compiling took {seconds:.0f} s",
            workload.unit,
            workload.units,
            {
                "loop by hand": partial(hand.run, epochs),
                "fit": partial(plain.run, epochs),
                "fit, jit_compile": partial(jitted.run, epochs),
            },
            arguments.rounds,
        )


if __name__ == "__main__":
    main()
