"""Processes of their own, killed at any time: `examples/resume.py`, as a user starts it.

`EPOCHAL_KILLS=100` kills a hundred (`make selftest` does); a few are killed otherwise.
"""

import os
import random
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

EXAMPLE = Path(__file__).parents[2] / "examples" / "resume.py"
KILLS = int(os.environ.get("EPOCHAL_KILLS", "3"))
IN_A_ROW = 50 if KILLS >= 50 else 4


def start(folder):
    return subprocess.Popen(
        [sys.executable, str(EXAMPLE), str(folder)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
    )


def finish(folder):
    process = start(folder)
    said, errors = process.communicate(timeout=300)
    assert process.returncode == 0, errors
    return said.splitlines()


def begun(folder):
    """Wait until something is saved, or the process has ended."""
    process = start(folder)
    deadline = time.monotonic() + 120
    before = set(folder.glob("run/ckpt-*"))
    while process.poll() is None and set(folder.glob("run/ckpt-*")) == before:
        assert time.monotonic() < deadline
        time.sleep(0.002)
    return process


def files(folder):
    return [(folder / name).read_bytes() for name in ("log.csv", "best.safetensors")]


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    folder = tmp_path_factory.mktemp("whole")
    began = time.monotonic()
    said = finish(folder)
    return said[-1], files(folder), time.monotonic() - began


def test_the_example_trains_to_its_end(whole):
    assert re.fullmatch(r"8 epochs, weights [0-9a-f]{16}", whole[0])


@pytest.mark.parametrize("number", range(KILLS))
def test_a_process_killed_at_any_time_ends_the_same_when_it_is_started_again(
    whole, tmp_path, number
):
    draw = random.Random(number)
    if number % 2:  # anywhere, importing and all
        process = start(tmp_path)
        time.sleep(draw.uniform(0, whole[2]))
    else:  # while it trains
        process = begun(tmp_path)
        time.sleep(draw.uniform(0, 0.4))
    process.kill()
    process.communicate()
    assert finish(tmp_path)[-1] == whole[0]
    assert files(tmp_path) == whole[1]


def test_a_run_killed_many_times_in_a_row_still_ends_exactly_the_same(whole, tmp_path):
    killed = starts = 0
    while killed < IN_A_ROW:
        starts += 1
        assert starts < 2 * IN_A_ROW + 4
        draw = random.Random(starts)
        if starts % 4:  # while it imports or resumes, or a finished run starts once more
            process = start(tmp_path)
            time.sleep(draw.uniform(0, whole[2] / 2))
        else:
            process = begun(tmp_path)
            time.sleep(draw.uniform(0, 0.01))
        process.kill()
        process.communicate()
        killed += process.returncode == -signal.SIGKILL
    assert finish(tmp_path)[-1] == whole[0]
    assert files(tmp_path) == whole[1]
