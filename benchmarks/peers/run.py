"""Runs the same trainings with every library, turn by turn, and writes what it saw.

make bench-peers [ARGS="--rounds 5 --cores 1 2 --workloads moons --ways epochal 'Keras, jax'"]

Each library has a process of its own that stays, and is asked for one round at a time, so that a
machine that slows down slows all of them.
"""

import argparse
import json
import os
import shlex
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from workloads import WORKLOADS, make

from peers import environments
from peers.child import WAYS
from peers.processes import Peer, environment_of

ROOT = Path(__file__).resolve().parents[2]
OUT = ROOT / "runs" / "bench"

# Rows (epochs for moons) of the check that all compute the same; few, and full batches but one.
CHECKS = {
    "moons": (10, 10),
    "moons, five callbacks": (10, 10),
    "minivgg, batch 32": (96, 1),
    "minivgg, batch 128": (256, 1),
    "minivgg, batch 32, bfloat16": (96, 1),
    "tabular": (4096, 1),
    "lstm": (128, 1),
    "transformer": (64, 1),
    "overhead": (640, 1),
    "overhead, accuracy": (640, 1),
}


def say(text: str) -> None:
    print(f"{time.strftime('%H:%M:%S')} {text}", file=sys.stderr, flush=True)


def commit() -> str:
    """Return the commit that is measured."""
    command = ["git", "rev-parse", "--short", "HEAD"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    return done.stdout.strip() or "unknown"


def run_workload(name: str, size: int, peers: dict[str, Peer], rounds: int) -> dict[str, Any]:
    """Return what each way gave for one workload: a check's loss and seconds of each round."""
    rows, epochs = CHECKS[name]
    found: dict[str, Any] = {}
    for way, peer in peers.items():
        answer = peer.ask("check", name=name, size=rows, epochs=epochs)
        if "loss" in answer:
            answer |= peer.ask("prepare", name=name, size=size)
        found[way] = answer
        if "loss" not in answer or "error" in answer:
            say(f"  {way}: {answer}")
    running = [way for way, row in found.items() if "loss" in row and "error" not in row]
    for _ in range(rounds):
        for way in running:
            answer = peers[way].ask("round")
            for clock in ("seconds", "processor"):
                found[way].setdefault(clock, []).append(answer.get(clock))
            if "error" in answer:
                found[way]["error"] = answer["error"]
    for peer in peers.values():
        peer.ask("drop")
    return found


def run_all(
    ways: list[str], sizes: dict[str, int], cores: int, rounds: int, failed: dict[str, str]
) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield what all ways gave for each workload on so many cores."""
    with (OUT / f"peers-{cores}.log").open("w") as log:
        peers = {way: Peer(way, cores, log) for way in ways if environment_of(way) not in failed}
        try:
            for name, size in sizes.items():
                say(f"{cores} core(s): {name}")
                workload = make(name, size)
                found: dict[str, Any] = {"unit": workload.unit, "units": workload.units}
                for way in ways:
                    if environment_of(way) in failed:
                        reason = failed[environment_of(way) or ""]
                        found[way] = {"missing": f"not installed: {reason}"}
                yield name, found | run_workload(name, size, peers, rounds)
        finally:
            for peer in peers.values():
                peer.close()


def main() -> None:
    """Make the environments, run, and write the numbers to runs/bench/peers.json."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--cores", type=int, nargs="+", default=[1, os.cpu_count() or 1])
    parser.add_argument("--workloads", nargs="+", choices=WORKLOADS, default=list(WORKLOADS))
    parser.add_argument("--ways", nargs="+", choices=WAYS, default=list(WAYS))
    parser.add_argument("--scale", type=float, default=1.0, help="of rows; epochs stay")
    arguments = parser.parse_args()
    sizes = {}
    for name in arguments.workloads:
        usual = WORKLOADS[name][1]
        sizes[name] = usual if "moons" in name else round(usual * arguments.scale)
    OUT.mkdir(parents=True, exist_ok=True)
    wanted = {environment_of(way) for way in arguments.ways} - {None}
    failed = environments.install_all(sorted(name for name in wanted if name))
    file = OUT / "peers.json"
    kept = json.loads(file.read_text()) if file.is_file() else {}
    kept["failed"] = failed
    kept["versions"] = {
        name: environments.versions(name)
        for name in environments.REQUIREMENTS
        if name not in failed and environments.python_of(name).exists()
    }
    asked = shlex.join(sys.argv[1:])
    for cores in arguments.cores:
        for name, found in run_all(arguments.ways, sizes, cores, arguments.rounds, failed):
            # A part that is measured anew replaces that part alone, and its row says by what.
            run = {"command": f'make bench-peers ARGS="{asked}"', "commit": commit()}
            kept.setdefault(str(cores), {})[name] = {**found, **run}
            file.write_text(json.dumps(kept, indent=1))
    say(f"numbers are in {file}")


if __name__ == "__main__":
    main()
