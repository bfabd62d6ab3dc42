"""Where proofs run: thousands of small runs, in memory where the machine offers it."""

import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest


@pytest.fixture
def quick() -> Iterator[Path]:
    """A folder on a disk in memory; a slower one where there is none."""
    memory = Path("/dev/shm")
    parent = memory if memory.is_dir() and shutil.disk_usage(memory).free > 2**28 else None
    folder = Path(tempfile.mkdtemp(prefix="epochal-", dir=parent))
    yield folder
    shutil.rmtree(folder)
