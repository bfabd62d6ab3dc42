"""Peak memory while training, against two loops by hand.

The fast one gathers a whole epoch's rows at once, the frugal one batch by batch.

Each way has a process of its own. What is there before the measured run (imports, data, model,
optimizer, the first small run that makes the optimizer's state) is the base; the peak is the
highest resident size after that.
"""

import argparse
import statistics
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

from rounds import show

WORKLOADS = {
    "tabular": 10**6,
    "minivgg, batch 128": 1280,
    "lstm": 640,
}


FAST, FRUGAL = "loop by hand, fast", "loop by hand, frugal"


def resident(field: str) -> int:
    """Return a size of this process from the kernel's account, in bytes: VmRSS, or its peak."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith(field + ":"):
            return int(line.split()[1]) * 1024
    raise SystemExit(f"the kernel names no {field}; this bench needs Linux")


def measure(way: str, name: str, size: int) -> None:
    """Be the process of one way: print the base and the peak in bytes."""
    import torch
    from by_hand import ByHand
    from with_fit import with_fit
    from workloads import make

    torch.set_num_threads(1)
    workload = make(name, size)
    few = replace(workload, x=workload.x[: workload.batch], y=workload.y[: workload.batch])
    training = with_fit(few) if way == "fit" else ByHand(few)
    training.run(1)
    if isinstance(training, ByHand):
        whole = ByHand(workload, training.net)
        training.x, training.y, training.gathers = whole.x, whole.y, way == FAST
    training.workload = workload
    base = resident("VmRSS")
    Path("/proc/self/clear_refs").write_text("5")  # the peak begins anew
    training.run(1)
    print(base, resident("VmHWM"))


def ask(way: str, name: str, size: int) -> tuple[int, int]:
    """Return the base and the peak of one way."""
    command = [sys.executable, __file__, "--way", way, "--workload", name, "--size", str(size)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    base, peak = (int(part) for part in done.stdout.split()[-2:])
    return base, peak


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--way", help=argparse.SUPPRESS)
    parser.add_argument("--workload", choices=WORKLOADS)
    parser.add_argument("--size", type=int, help="rows of the data")
    arguments = parser.parse_args()
    if arguments.way:
        measure(arguments.way, arguments.workload, arguments.size)
        return
    rows = []
    for name in [arguments.workload] if arguments.workload else WORKLOADS:
        size = arguments.size or WORKLOADS[name]
        found: dict[str, list[tuple[int, int]]] = {FAST: [], FRUGAL: [], "fit": []}
        for _ in range(arguments.rounds):
            for way, seen in found.items():
                seen.append(ask(way, name, size))
        peaks = {w: statistics.median(peak for _, peak in seen) for w, seen in found.items()}
        for way, seen in found.items():
            beyond = statistics.median(peak - base for base, peak in seen)
            ratio = peaks[way] / peaks[FAST]
            rows.append(
                (f"{name}: {way}", f"{peaks[way] / 1e6:.0f}", f"{beyond / 1e6:.1f}", f"{ratio:.3f}")
            )
    headings = (
        "",
        "peak MB",
        "of it beyond data, model, optimizer",
        "ratio of peaks to the fast loop",
    )
    show(f"Memory ({arguments.rounds} rounds)", headings, rows)


if __name__ == "__main__":
    main()
