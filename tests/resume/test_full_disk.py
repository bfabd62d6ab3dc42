"""A real small disk that fills up while checkpoints are saved."""

import json
import subprocess
import sys

import pytest

CODE = """
import json, os, sys
import torch
from epochal.storage import AsyncSaver, CheckpointStore, StorageError, list_checkpoints

folder, asynchronous, told = sys.argv[1], sys.argv[2] == "thread", []
os.chdir("/")
if sys.argv[3] == "unseen":  # as if another program took the room while we write
    from epochal.storage import checkpoints
    checkpoints.free_space_check = lambda *_, **__: None
for blocks in range(0, 48, 3):
    ballast = os.path.join(folder, "ballast")
    with open(ballast, "wb") as file:
        try:
            file.write(bytes(blocks * 4096))
        except OSError:
            pass
    with CheckpointStore(os.path.join(folder, "run")) as store:
        before = [one.sequence for one in list_checkpoints(store.folder, verify=True)]
        saver = AsyncSaver(store)
        save = saver.save if asynchronous else store.save
        error = None
        try:
            save({"w": torch.full((8000,), float(blocks))}, blocks)
            saver.finish()
        except StorageError as raised:
            error = str(raised)
        after = [one.sequence for one in list_checkpoints(store.folder, verify=True)]
        found, skipped = store.newest()
        told.append((error, before, after, found and found.state, len(skipped)))
    os.unlink(ballast)
print(json.dumps(told))
"""


@pytest.mark.parametrize("way", ["called", "thread"])
@pytest.mark.parametrize("room", ["seen", "unseen"])
def test_a_disk_that_is_full_keeps_what_was_saved_and_takes_more_when_there_is_room(
    tmp_path, way, room
):
    mount = 'mount -t tmpfs -o size=240k none "$0" && exec "$@"'
    command = ["unshare", "-rm", "sh", "-c", mount, str(tmp_path), sys.executable, "-c", CODE]
    try:
        done = subprocess.run(
            [*command, str(tmp_path), way, room], capture_output=True, text=True, timeout=120
        )
    except FileNotFoundError:
        pytest.skip("unshare is not installed")
    if done.returncode and ("unshare" in done.stderr or "mount:" in done.stderr):
        pytest.skip("this user may not mount a small disk")
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    errors = [error for error, *_ in told if error]
    assert len(told) == 16
    assert 0 < len(errors) < 16
    for number, (error, before, after, newest, skipped) in enumerate(told):
        assert skipped == 0
        if error:
            assert "needs" in error if room == "seen" else "No space left on device" in error
            assert after == before
            assert newest == (told[number - 1][3] if number else None)
        else:
            assert newest == number * 3
