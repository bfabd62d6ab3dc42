from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]

# Scripts that record numbers from other libraries, which CI does not have.
collect_ignore_glob = ["parity/record_*.py"]


@pytest.fixture(scope="session")
def root():
    """The folder of the repository."""
    return ROOT


@pytest.fixture(scope="session")
def shared_data():
    """The folder of real data beside the repository; tests that need it are skipped without it."""
    folder = ROOT.parent / "shared" / "data"
    if not folder.is_dir():
        pytest.skip(f"the real data are not at {folder}")
    return folder
