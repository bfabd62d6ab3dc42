"""HDF5 that uses what is never read, or whose structure lies, in every format that holds HDF5.

CVE-2026-0897 (shape bombs), CVE-2026-1669 (links and data in other files), and the class of files
on which libhdf5 turns forever.
"""

import io
import zipfile

import pytest
from hostile import hdf5s

HOLD_HDF5 = (".h5", ".weights.h5", ".keras")
MEMBER = "model.weights.h5"


def change_inside(path, change):
    """Change the HDF5 data of a file, be it the file itself or a member."""
    if path.suffix != ".keras":
        path.write_bytes(change(path.read_bytes()))
        return
    with zipfile.ZipFile(path) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    members[MEMBER] = change(members[MEMBER])
    data = io.BytesIO()
    with zipfile.ZipFile(data, "w") as archive:
        for name, content in members.items():
            archive.writestr(zipfile.ZipInfo(name), content)
    path.write_bytes(data.getvalue())


def actions(ending):
    return "load_weights inspect" + " load_model" * (ending != ".weights.h5")


@pytest.mark.parametrize("what", hdf5s.ADDED)
def test_what_is_never_read_is_refused(refused, tmp_path, plain_hdf5, canary, what):
    change, words = hdf5s.ADDED[what]
    path = tmp_path / "a.h5"
    path.write_bytes(hdf5s.add(plain_hdf5, tmp_path, change, canary))
    refused("open_hdf5", path, words)


@pytest.mark.parametrize("what", [*hdf5s.PATCHED, *hdf5s.TEXTS, *hdf5s.ALIKE])
def test_a_structure_that_lies_is_refused(refused, tmp_path, plain_hdf5, what):
    change, words = (hdf5s.PATCHED | hdf5s.TEXTS | hdf5s.ALIKE)[what]
    path = tmp_path / "a.h5"
    path.write_bytes(change(plain_hdf5))
    refused("open_hdf5", path, words)


@pytest.mark.parametrize("ending", HOLD_HDF5)
@pytest.mark.parametrize("what", hdf5s.ADDED)
def test_what_is_never_read_is_refused_in_a_model_file(
    refused, copy_of, tmp_path, canary, ending, what
):
    change, words = hdf5s.ADDED[what]
    path = copy_of(ending)
    change_inside(path, lambda data: hdf5s.add(data, tmp_path, change, canary))
    refused(actions(ending), path, words)


@pytest.mark.parametrize("ending", HOLD_HDF5)
@pytest.mark.parametrize("what", hdf5s.PATCHED)
def test_a_structure_that_lies_is_refused_in_a_model_file(refused, copy_of, ending, what):
    change, words = hdf5s.PATCHED[what]
    path = copy_of(ending)
    change_inside(path, change)
    refused(actions(ending), path, words)


@pytest.mark.parametrize("what", hdf5s.TEXTS)
def test_text_that_lies_is_refused_in_a_model_file(refused, copy_of, what):
    change, words = hdf5s.TEXTS[what]
    path = copy_of(".h5")
    change_inside(path, change)
    refused(actions(".h5"), path, words)


def test_the_tree_on_which_libhdf5_turns_forever_is_refused_at_once(
    oracle, refused, tmp_path, plain_hdf5
):
    path = tmp_path / "a.h5"
    path.write_bytes(hdf5s.PATCHED["a tree that is its own neighbour"][0](plain_hdf5))
    [answer] = oracle.ask_all([("h5py", path, {})], limit=1.0, again=False)
    assert answer.outcome == "hung"
    assert refused("open_hdf5", path, "neighbours")[0].seconds < 1
