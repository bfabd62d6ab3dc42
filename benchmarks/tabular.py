"""A million rows of 50 numbers through two layers of 256, with three metrics."""

import argparse

from by_hand import ByHand
from rounds import compare, same
from with_fit import with_fit
from workloads import make


def check(rows: int = 4096) -> None:
    """Stop unless both ways log the same loss and metrics."""
    workload = make("tabular", rows)
    hand, fit = ByHand(workload), with_fit(workload)
    hand.run(1, shuffle=False)
    fit.run(1, shuffle=False)
    for key, values in hand.logs.items():
        same(f"tabular, {key}", fit.logs[key][-1], values[-1])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=10**6)
    parser.add_argument("--rounds", type=int, default=5)
    arguments = parser.parse_args()
    check()
    workload = make("tabular", arguments.rows)
    hand, fit = ByHand(workload), with_fit(workload)
    compare(
        f"{arguments.rows:,} x 50 rows, 256-256, batch 1024, three metrics",
        "step",
        workload.units,
        {"loop by hand": lambda: hand.run(1), "fit": lambda: fit.run(1)},
        arguments.rounds,
    )


if __name__ == "__main__":
    main()
