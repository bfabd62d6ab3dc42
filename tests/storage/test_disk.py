"""The operations that all files are written with."""

import os

import pytest

from epochal.storage.disk import Disk, DiskFile, disk, use_disk, write_all


def test_another_disk_takes_all_operations_inside_the_block_only():
    before, other = disk(), Disk()
    with use_disk(other):
        assert disk() is other
        with pytest.raises(RuntimeError), use_disk(Disk()):
            raise RuntimeError
        assert disk() is other
    assert disk() is before


def test_all_bytes_are_written_though_each_write_takes_few(tmp_path):
    class Slow(Disk):
        def write(self, handle, data):
            return super().write(handle, memoryview(data)[:3])

    with use_disk(Slow()), DiskFile(tmp_path / "a", os.O_CREAT) as file:
        write_all(file.fileno(), b"0123456789")
        write_all(file.fileno(), memoryview(b"abcdefgh").cast("H"))
        assert file.seek(0) == 0
        assert file.seekable()
        assert file.writable()
        file.sync()
    file.close()
    assert (tmp_path / "a").read_bytes() == b"0123456789abcdefgh"


def test_folders_are_made_renamed_and_removed(tmp_path):
    real = Disk()
    real.mkdir(tmp_path / "a")
    real.rename(tmp_path / "a", tmp_path / "b")
    assert real.names(tmp_path) == ["b"]
    real.rmdir(tmp_path / "b")
    assert real.names(tmp_path) == []
    assert real.free(tmp_path) > 0
