"""A small convolutional net on pictures of 28x28x1: accuracy and validation, batch 32 and 128."""

import argparse
from functools import partial

from by_hand import ByHand
from rounds import Work, compare, same
from with_fit import with_fit
from workloads import make

BFLOAT16 = "minivgg, batch 32, bfloat16"
FLOAT32 = ("minivgg, batch 32", "minivgg, batch 128")


def check(rows: int = 96) -> None:
    """Stop unless both ways compute the same; without dropout, whose draws differ."""
    for name in (*FLOAT32, BFLOAT16):
        workload = make(name, rows, dropout=False)
        hand, fit = ByHand(workload), with_fit(workload)
        loss, ours = hand.run(1, shuffle=False)[0], fit.run(1, shuffle=False)[0]
        same(name, ours, loss, 1e-3 if name == BFLOAT16 else 1e-4)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=640)
    parser.add_argument("--rounds", type=int, default=7)
    arguments = parser.parse_args()
    check()
    for name in FLOAT32:
        workload = make(name, arguments.rows)
        hand, fit = ByHand(workload), with_fit(workload)
        ways: dict[str, Work] = {
            "channels_last loop by hand": partial(hand.run, 1),
            "fit": partial(fit.run, 1),
        }
        if workload.batch == 32:
            half = make(BFLOAT16, arguments.rows)
            hand_half, fit_half = ByHand(half), with_fit(half)
            ways["loop by hand, bfloat16"] = partial(hand_half.run, 1)
            ways["fit, bfloat16"] = partial(fit_half.run, 1)
        compare(
            f"MiniVGG 28x28x1, batch {workload.batch}",
            "step",
            workload.units,
            ways,
            arguments.rounds,
        )


if __name__ == "__main__":
    main()
