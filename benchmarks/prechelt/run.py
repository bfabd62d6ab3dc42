"""Make the paper's experiment again: `make prechelt`, or a tenth of it with ARGS=--quick.

Results are kept as they come, in the folder given by --out: start it again after a cut, and it goes
on. Written at the end: RESULTS.md, or RESULTS-quick.md, with the picture.
"""

import argparse
import multiprocessing
import os
import random
import threading
import time
from concurrent.futures import ProcessPoolExecutor, as_completed
from pathlib import Path
from typing import Any, Final

import torch

from prechelt import experiment, report
from prechelt.problems import Group, groups, read
from prechelt.results import Results

__all__ = ["main"]

HERE: Final = Path(__file__).parent
ROOT: Final = HERE.parents[1]


def main(arguments: list[str] | None = None) -> None:
    """Train what is not done yet and write the report."""
    parser = argparse.ArgumentParser(prog="prechelt", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="a tenth of the runs")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1, help="processes")
    parser.add_argument("--limit", type=int, default=experiment.LIMIT, help="most epochs of a run")
    parser.add_argument("--data", type=Path, default=ROOT.parent / "shared" / "data")
    parser.add_argument("--out", type=Path, default=ROOT / "runs" / "prechelt")
    parser.add_argument("--report", type=Path, default=HERE, help="the folder of RESULTS.md")
    parser.add_argument("--report-only", action="store_true", help="train nothing more")
    given = parser.parse_args(arguments)
    if not (given.data / "proben1").is_dir():
        parser.error(f"PROBEN1 is not at {given.data}; say with --data which folder holds proben1")
    wanted = groups(given.quick)
    results = Results(given.out / "results.jsonl")
    if not given.report_only:
        train_all(wanted, results, given.data / "proben1", given.jobs, given.limit)
    runs = results.runs(wanted)
    if not runs:
        parser.error(f"{results.path} has no run yet; leave --report-only out")
    name = "RESULTS-quick" if given.quick else "RESULTS"
    report.write(given.report, name, runs, given.data / "prechelt_table1.csv")
    print(f"{given.report / name}.md: {len(runs)} runs")


def train_all(wanted: list[Group], results: Results, data: Path, jobs: int, limit: int) -> None:
    """Train the groups that are not done, shuffled: what is done by then is a fair sample."""
    missing = [group for group in wanted if not results.has(group)]
    random.Random(0).shuffle(missing)
    print(f"{len(wanted) - len(missing)} of {len(wanted)} groups of 9 nets are done", flush=True)
    start = time.monotonic()
    # Not forked: torch has threads already.
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(max(1, jobs), context, initializer=end_with_parent) as pool:
        futures = {pool.submit(train_one, group, data, limit): group for group in missing}
        for count, future in enumerate(as_completed(futures), start=1):
            results.add(future.result())
            group = futures[future]
            minutes = (time.monotonic() - start) / 60
            done = f"{count} of {len(missing)}"
            print(f"{minutes:5.1f} min: {done}: {group.problem} {group.shape}", flush=True)


def end_with_parent() -> None:
    """Let a process that was started here end when the one that started it is killed."""
    parent = multiprocessing.parent_process()
    assert parent is not None

    def wait() -> None:
        parent.join()
        os._exit(1)

    threading.Thread(target=wait, daemon=True).start()


def train_one(group: Group, data: Path, limit: int) -> list[dict[str, Any]]:
    """Train one group in a process of its own."""
    torch.set_num_threads(1)  # the other cores have groups of their own
    return experiment.train(group, read(data, group.problem), limit)
