import pytest
import torch


@pytest.fixture(autouse=True)
def benchmarks(root, monkeypatch):
    """The benchmarks' modules, importable as from a script among them; on one thread."""
    monkeypatch.syspath_prepend(root / "benchmarks")
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield root / "benchmarks"
    torch.set_num_threads(threads)
