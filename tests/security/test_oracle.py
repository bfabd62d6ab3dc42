"""The watchman sees what it is there to see."""

import dataclasses
import os
import pickle

import pytest


class Calls:
    def __init__(self, function, *arguments):
        self.call = function, arguments

    def __reduce__(self):
        return self.call


def hostile(path, function, *arguments):
    path.write_bytes(pickle.dumps(Calls(function, *arguments)))
    return path


def test_a_pickle_that_runs_a_command_is_caught(oracle, tmp_path):
    made = tmp_path / "made"
    path = hostile(tmp_path / "a.pickle", os.system, f"touch {made}")
    answer = oracle.ask("unpickle", path)
    assert made.exists()
    assert any("pickle.find_class" in event for event in answer.events)
    assert any("os.system" in event for event in answer.events)
    assert "events" in answer.harm(1)


@pytest.mark.parametrize(
    ("words", "code"),
    [
        ("open", "open({other!r}).read()"),
        ("open", "open({path!r}, 'ab')"),
        ("import", "__import__('xmlrpc.server')"),
        ("socket", "__import__('socket').create_connection(('127.0.0.1', 9))"),
        ("os.remove", "__import__('os').remove({other!r})"),
        ("ctypes", "__import__('ctypes').CDLL(None)"),
    ],
)
def test_what_code_of_a_file_could_do_is_caught(oracle, tmp_path, words, code):
    path, other = tmp_path / "a.pickle", tmp_path / "other"
    other.write_text("secret")
    hostile(path, eval, code.format(path=str(path), other=str(other)))
    assert any(event.startswith(words) for event in oracle.ask("unpickle", path).events)


def test_a_hang_a_crash_and_memory_without_bounds_are_caught_and_the_next_file_is_read(
    oracle, tmp_path, plain_hdf5
):
    good = tmp_path / "good.h5"
    good.write_bytes(plain_hdf5)
    bad = [
        hostile(tmp_path / "hang", eval, "__import__('time').sleep(60)"),
        hostile(tmp_path / "crash", eval, "__import__('os').abort()"),
        hostile(tmp_path / "large", eval, "bytearray(90 * 2**20)"),
        hostile(tmp_path / "larger", eval, "bytearray(2**30)"),
    ]
    requests = [("unpickle", path, {}) for path in bad] + [("open_hdf5", good, {})]
    hang, crash, large, larger, last = oracle.ask_all(requests, limit=2.0, again=False)
    assert hang.outcome == "hung"
    assert crash.outcome.startswith("died")
    assert large.memory > 80 * 2**20
    assert dataclasses.replace(large, events=[]).harm(1000).endswith("for a file of 1,000")
    assert (larger.outcome, larger.type) == ("escaped", "MemoryError")
    assert (last.outcome, last.harm(100)) == ("loaded", "")


def test_valid_files_are_loaded_without_a_sound(oracle, valid):
    for ending, path in valid.items():
        actions = ["load_weights", "inspect"] + ["load_model"] * (ending != ".weights.h5")
        for action in actions:
            answer = oracle.ask(action, path)
            assert (answer.outcome, answer.harm(path.stat().st_size)) == ("loaded", ""), answer
