"""A checkpoint with a single wrong bit is never used; the one before it is, and it is said why."""

import os
import random
import shutil

import pytest
import torch

from epochal.storage import CheckpointStore, Manifest, Skipped, list_checkpoints

FLIPS = 4000
NAMES = ["tensors.safetensors", "state.json", "manifest.json"]


@pytest.fixture
def store(quick):
    with CheckpointStore(quick, keep=3) as store:
        for step in (1, 2, 3):
            weight = torch.full((8,), float(step))
            store.save(
                {"w": weight, "rng": torch.arange(16).byte()}, {"step": step}, f"step {step}"
            )
        yield store


def the_one_before(store):
    """The newest checkpoint is skipped, for one stated reason; the one before is used."""
    found, skipped = store.newest()
    assert found is not None
    assert found.state == {"step": 2}
    assert found.tensors["w"].tolist() == [2.0] * 8
    [(name, reason)] = skipped
    assert name == "ckpt-00000003"
    return reason


def newest(store):
    return store.folder / "ckpt-00000003"


@pytest.mark.parametrize("name", NAMES)
def test_every_truncation_is_seen(store, name):
    path = newest(store) / name
    whole = path.read_bytes()
    for length in range(len(whole)):
        path.write_bytes(whole[:length])
        assert "bytes, not" in (reason := the_one_before(store)) or "damaged" in reason
    path.write_bytes(whole + b"\n")
    the_one_before(store)
    path.write_bytes(whole)
    assert store.newest()[0].state == {"step": 3}


@pytest.mark.parametrize("name", NAMES)
def test_4000_single_bit_flips_are_seen(store, name):
    path = newest(store) / name
    whole = path.read_bytes()
    draw = random.Random(name)
    bits = len(whole) * 8
    # Each bit once, as far as 4,000 go, and then any.
    chosen = draw.sample(range(bits), min(bits, FLIPS))
    chosen += [draw.randrange(bits) for _ in range(FLIPS - len(chosen))]
    for bit in chosen:
        data = bytearray(whole)
        data[bit // 8] ^= 1 << bit % 8
        path.write_bytes(data)
        assert "damaged" in the_one_before(store)


@pytest.mark.parametrize("name", NAMES)
def test_files_of_another_checkpoint_are_seen(store, name):
    shutil.copy(store.folder / "ckpt-00000001" / name, newest(store) / name)
    assert the_one_before(store)


def test_a_whole_checkpoint_under_another_one_s_name_is_seen(store):
    shutil.rmtree(newest(store))
    shutil.copytree(store.folder / "ckpt-00000001", newest(store))
    assert "that of ckpt-00000001: it was renamed or mixed up" in the_one_before(store)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("fault", ["zeros", "empty", "missing", "folder", "pipe", "link to itself"])
def test_what_is_no_longer_the_file_is_seen(store, name, fault):
    path = newest(store) / name
    size = path.stat().st_size
    path.unlink()
    if fault == "zeros":
        path.write_bytes(bytes(size))
    elif fault == "empty":
        path.touch()
    elif fault == "folder":
        path.mkdir()
    elif fault == "pipe":
        os.mkfifo(path)
    elif fault == "link to itself":
        path.symlink_to(path)
    assert name in the_one_before(store)


def test_two_damaged_ones_are_both_named_and_if_none_is_left_none_is_used(store):
    for number in (3, 2):
        (store.folder / f"ckpt-0000000{number}" / "state.json").write_bytes(b"{}")
    found, skipped = store.newest()
    assert found.state == {"step": 1}
    assert [one.name for one in skipped] == ["ckpt-00000003", "ckpt-00000002"]
    (store.folder / "ckpt-00000001" / "manifest.json").unlink()
    found, skipped = store.newest()
    assert found is None
    assert len(skipped) == 3


def test_after_a_damaged_one_two_verified_ones_stay(store):
    path = newest(store) / "tensors.safetensors"
    path.write_bytes(bytes(path.stat().st_size))
    store.keep = 2
    assert store.newest()[0].state == {"step": 2}
    for step in (3, 4, 5):
        store.save({"w": torch.ones(1)}, {"step": step})
        good = [one for one in list_checkpoints(store.folder, verify=True) if type(one) is Manifest]
        assert len(good) >= 2
        assert store.newest()[0].state == {"step": step}
    assert [one.sequence for one in list_checkpoints(store.folder)] == [5, 6]


def test_looking_tells_of_damage(store):
    (newest(store) / "state.json").write_bytes(b"{}")
    listed = list_checkpoints(store.folder, verify=True)
    assert [type(one) for one in listed] == [Manifest, Manifest, Skipped]
    assert [type(one) for one in list_checkpoints(store.folder)] == [Manifest] * 3
