import re

import h5py
import numpy as np
import pytest
from hostile.oracle import Oracle
from hostile.valid import valid_files


@pytest.fixture(scope="session")
def oracle():
    with Oracle() as started:
        yield started


@pytest.fixture(scope="session")
def valid(tmp_path_factory):
    """A small trained model in each format; copy before you change."""
    return valid_files(tmp_path_factory.mktemp("valid"))


@pytest.fixture
def copy_of(valid, tmp_path):
    """Give the path of a copy of the valid file with an ending, skipping where there is none."""

    def copy(ending):
        if ending not in valid:
            pytest.skip(f"{ending} files are not written yet")
        path = tmp_path / f"stranger{ending}"
        path.write_bytes(valid[ending].read_bytes())
        return path

    return copy


@pytest.fixture(scope="session")
def plain_hdf5(tmp_path_factory):
    """The bytes of a small HDF5 file in the style of Keras."""
    path = tmp_path_factory.mktemp("hdf5") / "plain.h5"
    with h5py.File(path, "w") as file:
        file.attrs["model_config"] = "{}" * 50
        for name in ("alpha", "beta", "gamma"):
            group = file.create_group(f"model_weights/{name}")
            group.attrs["weight_names"] = [f"{name}/kernel", f"{name}/bias"]
            group[f"{name}/kernel"] = np.ones((3, 2), "f4")
            group[f"{name}/bias"] = np.zeros(2, "f4")
    return path.read_bytes()


@pytest.fixture
def canary(tmp_path):
    """A file whose content must never be seen, and beside which none may appear."""
    folder = tmp_path / "cage"
    folder.mkdir()
    path = folder / "canary.h5"
    with h5py.File(path, "w") as file:
        file["secret"] = np.full(4, 42.0, "f4")
    yield path
    assert [p.name for p in folder.iterdir()] == ["canary.h5"]


@pytest.fixture
def refused(oracle):
    """Have a file refused without harm, for a reason, by each action; return the answers."""

    def refuse(actions, path, words="", **arguments):
        answers = oracle.ask_all([(action, path, arguments) for action in actions.split()])
        for answer in answers:
            assert answer.harm(path.stat().st_size) == ""
            assert answer.outcome == "refused", answer
            assert re.search(words, answer.text), answer.text
            assert all(c.isprintable() or c == "\n" for c in answer.text)
        return answers

    return refuse
