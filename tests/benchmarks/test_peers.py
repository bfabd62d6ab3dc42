"""The runner of all libraries: its processes, and the report it writes."""

import io
import os

import pytest


@pytest.fixture
def peer(tmp_path):
    from peers.processes import Peer

    with (tmp_path / "log").open("w") as log:
        peer = Peer("loop by hand", 1, log)
        yield peer
        peer.close()


def test_a_process_checks_prepares_and_times_rounds_one_by_one(peer):
    from by_hand import ByHand
    from workloads import make

    expected = ByHand(make("moons", 2)).run(2, shuffle=False)
    answer = peer.ask("check", name="moons", size=2, epochs=2)
    assert answer["loss"] == pytest.approx(sum(expected) / 2, rel=1e-6)
    assert peer.ask("prepare", name="moons", size=2) == {}
    assert peer.ask("round")["seconds"] > 0
    assert peer.ask("drop") == {}
    assert "nonsense" in peer.ask("nonsense")["error"]


def test_a_process_that_dies_is_an_answer_and_no_hang(peer):
    os.kill(peer._process.pid, 9)
    assert "ended" in peer.ask("round", limit=20)["error"]


def test_the_table_names_what_is_missing_failed_and_trained_otherwise():
    from peers.report import table

    slow, fast = (
        {"seconds": [first, 2.0, 1.0], "processor": [1.0, 1.0, 1.0]} for first in (1.0, 0.5)
    )
    found = {
        "unit": "step",
        "units": 10,
        "loop by hand": {"loss": 1.0, **slow},
        "epochal": {"loss": 1.0, **fast},
        "Keras, jax": {"missing": "not installed: no such package"},
        "skorch": {"error": "ValueError: broken"},
        "Ignite": {"loss": 2.0, **slow},
    }
    rows = {line.split(" | ")[0][2:]: line for line in table("moons", found).splitlines()[2:]}
    assert (
        "| 100,000 | 1.00 | 0.50-1.00 | 0.50 | 100,000 | 1.00 | 1.00-1.00 | 1.00 | ok |"
        in rows["epochal"]
    )
    assert "not installed: no such package" in rows["Keras, jax"]
    assert "ValueError: broken" in rows["skorch"]
    assert "loss 2.0000, not 1.0000" in rows["Ignite"]
    assert "not run" in rows["Lightning"]


def test_an_environment_that_cannot_be_made_gives_its_reason(monkeypatch, tmp_path):
    from peers import environments

    in_the_way = tmp_path / "a file"
    in_the_way.touch()
    monkeypatch.setattr(environments, "HOME", in_the_way)
    failed = environments.install_all(["skorch"])
    assert list(failed) == ["skorch"]
    assert "a file" in failed["skorch"]


def test_every_way_has_a_place_to_run_in():
    from peers.child import WAYS
    from peers.environments import REQUIREMENTS
    from peers.processes import environment_of

    assert {environment_of(way) for way in WAYS} - {None} == set(REQUIREMENTS)


def test_random_pictures_stand_in_for_missing_ones(monkeypatch):
    from workloads import images

    monkeypatch.delenv("EPOCHAL_DATA", raising=False)
    pictures, labels = images(12)
    assert pictures.shape == (12, 28, 28, 1)
    assert labels.shape == (12,)


def test_real_pictures_are_read_where_they_are(monkeypatch, shared_data):
    from workloads import images

    monkeypatch.setenv("EPOCHAL_DATA", str(shared_data))
    pictures, labels = images(64)
    assert set(labels) <= set(range(10))
    assert 0 <= pictures.min() < pictures.max() <= 1


def test_what_is_printed_into_a_file_reads_as_on_a_terminal(capsys):
    from rounds import compare

    took = compare("Nothing", "call", 1, {"one": io.StringIO, "two": io.BytesIO}, rounds=3)
    assert {name: len(times) for name, times in took.items()} == {"one": 3, "two": 3}
    assert "us per call" in capsys.readouterr().out
