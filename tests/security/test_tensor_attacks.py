"""safetensors files that mean harm, and pickles under every name."""

import dataclasses
import hashlib
import zipfile

import pytest
import torch
from hostile import tensors
from hostile.configs import rewrite_members
from hostile.valid import ENDINGS

from epochal.storage import CheckpointStore
from epochal.storage.checkpoint_files import FileRecord


@pytest.mark.parametrize("what", tensors.ATTACKS)
def test_a_header_that_lies_is_refused(refused, tmp_path, what):
    data, words = tensors.ATTACKS[what]
    path = tmp_path / "a.safetensors"
    path.write_bytes(data)
    refused("load_tensors load_weights load_model inspect", path, words)


@pytest.mark.parametrize("what", tensors.ATTACKS)
def test_a_header_that_lies_is_refused_inside_of_an_archive(refused, copy_of, what):
    data, words = tensors.ATTACKS[what]
    path = copy_of(".epochal")
    with zipfile.ZipFile(path) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    for name in [name for name in members if name.endswith(".safetensors")]:
        members[name] = data
    rewrite_members(path, members)
    refused("load_weights load_model inspect", path, words)


PICKLES = ["pickle", "torch.save", "torch.save, before 1.6", "torch.save, as a tar"]


@pytest.mark.parametrize("ending", ENDINGS)
@pytest.mark.parametrize("kind", PICKLES)
def test_cve_2025_32434_2026_24747_a_pickle_is_refused_under_every_name(
    refused, copy_of, canary, ending, kind
):
    path = copy_of(ending)
    path.write_bytes(tensors.pickles(f"touch {canary.parent / 'ran'}")[kind])
    actions = "load_weights inspect" + " load_model" * (ending != ".weights.h5")
    answers = refused(actions, path, "refused|cannot be read|no zip archive")
    # Stanza's fallback: a second attempt by other means after the first has failed.
    assert {answer.opens for answer in answers} == {1}


@pytest.mark.parametrize("ending", [".pt", ".pth", ".pkl", ".pickle", ".ckpt", ".bin", ".npz", ""])
def test_cve_2026_31221_files_of_pickles_are_not_opened_at_all(refused, tmp_path, canary, ending):
    path = tmp_path / f"a{ending}"
    path.write_bytes(tensors.pickles(f"touch {canary.parent / 'ran'}")["torch.save"])
    answers = refused("load_model load_weights inspect", path, "ends in|has no ending")
    assert {answer.opens for answer in answers} == {0}


@pytest.mark.parametrize("ending", ["", *ENDINGS])
def test_a_folder_of_torchs_distributed_checkpoints_is_no_model(refused, tmp_path, canary, ending):
    folder = tmp_path / f"checkpoint{ending}"
    folder.mkdir()
    data = tensors.pickles(f"touch {canary.parent / 'ran'}")["pickle"]
    (folder / ".metadata").write_bytes(data)
    refused("load_model load_weights inspect", folder, "folder|ending|ends in|weights alone")


@pytest.mark.parametrize("sealed", [False, True], ids=["as it is", "with the right hashes"])
@pytest.mark.parametrize("name", ["manifest.json", "state.json", "tensors.safetensors"])
def test_cve_2026_1839_a_pickle_in_a_checkpoint_is_refused(refused, tmp_path, canary, name, sealed):
    """Resuming a run trusts no more than loading a model does."""
    with CheckpointStore(tmp_path / "run") as store:
        manifest = store.save({"w": torch.ones(2)}, {"epoch": 3})
    folder = tmp_path / "run" / manifest.name
    for data in tensors.pickles(f"touch {canary.parent / 'ran'}").values():
        (folder / name).write_bytes(data)
        if sealed and name != "manifest.json":
            digest = hashlib.sha256(data).hexdigest()
            files = [
                FileRecord(name, len(data), digest) if record.name == name else record
                for record in manifest.files
            ]
            changed = dataclasses.replace(manifest, files=tuple(files))
            (folder / "manifest.json").write_bytes(changed.encode())
        refused("read_checkpoint", folder, "damaged|not|cannot be read|has")
