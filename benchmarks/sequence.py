"""Sequences: Embedding-LSTM(128)-Dense at batch 64 and length 100, and a transformer encoder."""

import argparse
from functools import partial

from by_hand import ByHand
from rounds import compare, same
from with_fit import with_fit
from workloads import make


def check(rows: int = 128) -> None:
    """Stop unless both ways compute the same; without dropout, whose draws differ."""
    for name in ("lstm", "transformer"):
        workload = make(name, rows, dropout=False)
        hand, fit = ByHand(workload), with_fit(workload)
        same(name, fit.run(1, shuffle=False)[0], hand.run(1, shuffle=False)[0])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=640)
    parser.add_argument("--rounds", type=int, default=7)
    arguments = parser.parse_args()
    check()
    for name, title, rows in (
        ("lstm", "Embedding-LSTM(128)-Dense, batch 64, length 100", arguments.rows),
        ("transformer", "Transformer encoder, 4 layers of 128, batch 32", arguments.rows // 4),
    ):
        workload = make(name, rows)
        hand, fit = ByHand(workload), with_fit(workload)
        ways = {"loop by hand": partial(hand.run, 1), "fit": partial(fit.run, 1)}
        compare(title, "step", workload.units, ways, arguments.rounds)


if __name__ == "__main__":
    main()
