"""Zip archives that mean harm, in every format that is one.

CVE-2025-12060, CVE-2025-12638, and what Keras has added guards against since: bombs, links, assets
that lead elsewhere.
"""

import zipfile
import zlib

import pytest
from hostile import zips
from hostile.zips import Part

ZIPPED = (".keras", ".epochal")
ACTIONS = "load_weights load_model inspect"


def parts_of(path):
    with zipfile.ZipFile(path) as archive:
        return [Part(name.encode(), archive.read(name)) for name in archive.namelist()]


def attack_all(refused, path, data, words):
    path.write_bytes(data)
    refused(f"open_archive {ACTIONS}", path, words)


@pytest.mark.parametrize("ending", ZIPPED)
@pytest.mark.parametrize("what", zips.ATTACKS)
def test_a_member_that_means_harm_is_refused(refused, copy_of, ending, what):
    change, words = zips.ATTACKS[what]
    path = copy_of(ending)
    attack_all(refused, path, zips.make(change(parts_of(path))), words)


@pytest.mark.parametrize("ending", ZIPPED)
def test_a_valid_archive_made_by_hand_is_read(oracle, copy_of, ending):
    path = copy_of(ending)
    path.write_bytes(zips.make(parts_of(path)))
    for action in ACTIONS.split():
        assert oracle.ask(action, path).outcome == "loaded"


@pytest.mark.parametrize("ending", ZIPPED)
@pytest.mark.parametrize(
    ("where", "words"),
    [
        ({"before": b"#!/bin/sh\n"}, "do not follow|before it"),
        ({"between": b"x" * 9}, "do not follow|belong to no member"),
        ({"behind": b"PK\3\4"}, "behind its end"),
        ({"comment": b"PK\5\6" + b"\0" * 18}, "belong to no|not where|no zip|behind its end"),
        ({"count": 1}, "belong to no member"),
        ({"count": 60_000}, "at most 10,000"),
        ({"count": 99}, "cut short"),
    ],
    ids=str,
)
def test_bytes_that_belong_to_no_member_are_refused(refused, copy_of, ending, where, words):
    path = copy_of(ending)
    attack_all(refused, path, zips.make(parts_of(path), **where), words)


@pytest.mark.parametrize("ending", ZIPPED)
def test_a_bomb_is_refused_before_memory_is_taken(refused, copy_of, ending):
    path = copy_of(ending)
    bomb = b"\0" * 2**28
    packed = zips.deflate(bomb)
    parts = [*parts_of(path), Part(b"x", b"", 8, packed=packed, size=2**28, crc=zlib.crc32(bomb))]
    attack_all(refused, path, zips.make(parts), "unpack to")


@pytest.mark.parametrize("ending", ZIPPED)
@pytest.mark.parametrize("size", [1, 2**20])
def test_a_bomb_that_lies_about_its_size_is_refused(refused, copy_of, ending, size):
    path = copy_of(ending)
    parts = parts_of(path)
    packed = zips.deflate(b"\0" * 2**28)
    largest = max(parts, key=lambda part: len(part.data))
    largest.method, largest.packed, largest.size = 8, packed, size
    path.write_bytes(zips.make(parts))
    refused("open_archive", path, "damaged")
    refused("load_model inspect", path, "damaged|refused|cannot be read")


@pytest.mark.parametrize("ending", ZIPPED)
def test_a_changed_bit_in_a_member_is_noticed(refused, copy_of, ending):
    path = copy_of(ending)
    data = bytearray(path.read_bytes())
    data[len(data) // 3] ^= 4
    path.write_bytes(data)
    refused("open_archive", path, "damaged|refused")


def test_members_that_are_deflated_or_streamed_are_read(tmp_path):
    """What other programs write when an archive is packed again."""
    from epochal.storage import open_archive

    path = tmp_path / "a.zip"
    with (
        open(path, "wb") as file,
        zipfile.ZipFile(Unseekable(file), "w", zipfile.ZIP_DEFLATED) as archive,
    ):
        archive.writestr("a/b.json", b"text " * 100)
        archive.writestr("c.bin", b"1")
    with open_archive(path) as archive:
        assert archive.names == ["a/b.json", "c.bin"]
        assert archive.read("a/b.json") == b"text " * 100
        assert archive.span("a/b.json").size == 500
        assert archive.size("c.bin") == 1


class Unseekable:
    """A file to which a zip writer cannot go back: sizes follow the data."""

    def __init__(self, file):
        self.write, self.flush = file.write, file.flush
