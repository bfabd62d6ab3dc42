"""Load many changed files: `make fuzz`, or `python tests/security/fuzz.py --count 1000 --seed 7`.

Every input ends in a documented error or in a model, in 5 s, with at most 512 MiB more memory, and
nothing is imported, called, opened or written on the way. What does not is saved.
"""

import argparse
import collections
import multiprocessing
import random
import sys
import tempfile
import time
from pathlib import Path

from hostile.mutate import attribute_mutant, mutant
from hostile.oracle import Oracle
from hostile.valid import structures, valid_files

ACTIONS = {
    ".keras": ("load_model", "load_weights", "inspect", "open_archive"),
    ".h5": ("load_model", "load_weights", "inspect", "open_hdf5"),
    ".weights.h5": ("load_weights", "inspect", "open_hdf5"),
    ".hdf5": ("open_hdf5", "inspect", "load_weights"),
    ".safetensors": ("load_model", "load_weights", "inspect", "load_tensors"),
    ".epochal": ("load_model", "load_weights", "inspect", "open_archive"),
}
BATCH = 50


def inputs(files, start, count):
    """Yield the number, ending, action and bytes of each input."""
    endings = list(files)
    for number in range(start, start + count):
        choose = random.Random(number)
        ending = choose.choice(endings)
        # `load_model` is what strangers' files are for: more than half of all.
        action = choose.choice(ACTIONS[ending][: choose.choice((1, 9))])
        data = files[ending]
        if ending == ".h5" and choose.random() < 0.3:
            data = attribute_mutant(data, number)
        else:
            data = mutant(data, ending, number)
        yield number, ending, action, data


def run(oracle, files, start, count, folder, limit=5.0):
    """Load inputs; return how many ended how, and the harmful ones with what they did."""
    outcomes = collections.Counter()
    harmful = []
    batch = []

    def flush():
        answers = oracle.ask_all([(action, path, {}) for _, _, action, path, _ in batch], limit)
        for (number, ending, action, path, data), answer in zip(batch, answers, strict=True):
            outcomes[ending, answer.outcome] += 1
            harm = answer.harm(len(data))
            if harm:
                harmful.append((number, ending, action, harm, data))
            path.unlink()
        batch.clear()

    for number, ending, action, data in inputs(files, start, count):
        path = folder / f"{number}{ending}"
        path.write_bytes(data)
        batch.append((number, ending, action, path, data))
        if len(batch) == BATCH:
            flush()
    flush()
    return outcomes, harmful


def read_all(valid):
    """Return the bytes to start from by ending: model files, and HDF5 of every structure."""
    files = {ending: path.read_bytes() for ending, path in valid.items()}
    return files | {".hdf5": structures()}


def _work(arguments):
    start, count = arguments
    with tempfile.TemporaryDirectory() as name, Oracle() as oracle:
        folder = Path(name)
        files = read_all(valid_files(folder))
        return run(oracle, files, start, count, folder)


def main():
    """Spread inputs over processes, print what came of them, and save what did harm."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--count", type=int, default=200_000)
    parser.add_argument("--seed", type=int, default=0, help="the number of the first input")
    parser.add_argument("--processes", type=int, default=2)
    parser.add_argument("--save", type=Path, default=Path("runs/fuzz"))
    given = parser.parse_args()
    size = min(5_000, -(-given.count // given.processes))
    end = given.seed + given.count
    shares = [(at, min(size, end - at)) for at in range(given.seed, end, size)]
    outcomes, harmful, start = collections.Counter(), [], time.time()
    with multiprocessing.get_context("spawn").Pool(given.processes) as pool:
        for some, bad in pool.imap_unordered(_work, shares):
            outcomes += some
            harmful += bad
            for seed, ending, action, harm, data in bad:
                given.save.mkdir(parents=True, exist_ok=True)
                path = given.save / f"{seed}-{action}{ending}"
                path.write_bytes(data)
                print(f"seed {seed}: {action} of {path}: {harm}", flush=True)
            done = sum(outcomes.values())
            print(f"{done:,} of {given.count:,} after {time.time() - start:.0f} s", flush=True)
    for (ending, outcome), times in sorted(outcomes.items()):
        print(f"{ending:14} {outcome:10} {times:9,}")
    print(f"seeds {given.seed} to {end - 1}: {len(harmful)} of {given.count:,} inputs did harm")
    return 1 if harmful else 0


if __name__ == "__main__":
    sys.exit(main())
