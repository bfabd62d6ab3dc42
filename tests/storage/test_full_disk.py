"""A disk that is full, for real: a file system of 1 MiB in memory, in a namespace of its own.

Where the machine does not let a user do that, the tests are skipped.
"""

import json
import shutil
import subprocess
import sys

import pytest

CODE = """
import json, os, sys
import numpy as np, torch
import epochal
from epochal.storage import StorageError, atomic_write, save_tensors, write_archive, write_hdf5

folder, size = sys.argv[1], int(sys.argv[2])
noise = np.random.default_rng(1).integers(0, 256, size, dtype="u1")

def plain(path):
    with atomic_write(path) as file:
        file.write(noise.tobytes())

writers = {
    "a.bin": plain,
    "a.h5": lambda path: write_hdf5(
        path, lambda root: root.create_dataset("x", data=noise), size=size
    ),
    "unknown.h5": lambda path: write_hdf5(path, lambda root: root.create_dataset("x", data=noise)),
    "a.zip": lambda path: write_archive(path, {"x": noise.tobytes()}),
    "b.zip": lambda path: write_archive(path, {"x": lambda scratch: scratch.write_bytes(noise)}),
    "c.zip": lambda path: write_archive(
        path, {"x": lambda scratch: scratch.write_bytes(noise)}, scratch_bytes=size
    ),
    "a.safetensors": lambda path: save_tensors(path, {"x": torch.from_numpy(noise)}),
}
model = epochal.Sequential([epochal.layers.Dense(size // 8, input_dim=1, name="wide")])
for name in ("m.safetensors", "m.weights.h5"):
    writers[name] = model.save_weights
for name in ("m.keras", "m.epochal", "m.h5"):
    writers[name] = model.save
found = {}
for name, write in writers.items():
    path = os.path.join(folder, name)
    with open(path, "wb") as file:
        file.write(b"old")
    os.chmod(path, 0o604)
    try:
        write(path)
        said = ""
    except StorageError as error:
        said = f"{error.errno} {error}"
    with open(path, "rb") as file:
        kept = file.read() == b"old"
    found[name] = [said, kept, os.listdir(folder), oct(os.stat(path).st_mode & 0o777)]
    os.unlink(path)
print(json.dumps(found))
"""


def on_a_small_disk(tmp_path, size):
    """Run every writer on a disk of 1 MiB; return what each said and left behind."""
    mount = 'mount -t tmpfs -o size=1m none "$1" && shift && exec "$@"'
    inside = [sys.executable, "-c", CODE, str(tmp_path), str(size)]
    command = ["unshare", "-rm", "sh", "-c", mount, "sh", str(tmp_path), *inside]
    if shutil.which("unshare") is None:
        pytest.skip("no `unshare` on this machine: the full disk cannot be made")
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    if done.returncode and "Traceback" not in done.stderr:
        pytest.skip(f"this machine mounts no disk for a user: {done.stderr.strip()}")
    assert not done.returncode, done.stderr
    return json.loads(done.stdout)


def test_a_full_disk_leaves_the_old_file_and_nothing_else(tmp_path):
    for name, (said, kept, names, mode) in on_a_small_disk(tmp_path, 1_500_000).items():
        assert said.startswith("28 "), name
        assert "cannot write" in said
        if name in ("a.bin", "unknown.h5", "b.zip"):  # nobody knows how much is to come
            assert "more than the 1,04" in said, (name, said)
        else:
            needed = "3,00" if name in ("c.zip", "m.keras") else "1,50"
            assert f"it needs {needed}" in said, (name, said)
        assert said.count("\n") == 0
        assert kept, name
        assert names == [name]
        assert mode == "0o604"


def test_what_fits_is_written_with_the_old_files_permissions(tmp_path):
    for name, (said, kept, names, mode) in on_a_small_disk(tmp_path, 300_000).items():
        assert (said, kept, names, mode) == ("", False, [name], "0o604")
