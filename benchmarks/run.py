"""Runs every benchmark of our own loop, each in a process of its own, and keeps what it printed.

make bench [ARGS="moons overhead --rounds 5"]
"""

import argparse
import subprocess
import sys
import time
from pathlib import Path

NAMES = ("moons", "overhead", "minivgg", "tabular", "sequence", "startup", "memory", "jit")
BENCHMARKS = Path(__file__).resolve().parent
OUT = BENCHMARKS.parent / "runs" / "bench"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("names", nargs="*", default=[*NAMES, "saving", "resuming"], metavar="NAME")
    parser.add_argument("--rounds", type=int, help="instead of each script's own number")
    arguments = parser.parse_args()
    names = arguments.names
    rounds = [] if arguments.rounds is None else ["--rounds", str(arguments.rounds)]
    OUT.mkdir(parents=True, exist_ok=True)
    failed = []
    for name in names:
        print(f"{time.strftime('%H:%M:%S')} {name}", flush=True)
        command = [sys.executable, str(BENCHMARKS / f"{name}.py"), *rounds]
        done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=False)
        print(done.stdout, flush=True)
        # What is run anew replaces that part of the report alone.
        said = done.stdout if done.returncode == 0 else f"{name} failed; see its own message\n"
        (OUT / f"{name}.txt").write_text(said)
        failed += [name] if done.returncode else []
    if failed:
        raise SystemExit(f"failed: {', '.join(failed)}")


if __name__ == "__main__":
    main()
