"""The proofs that a user runs on their own disk."""

import os

import pytest

from epochal.cli import main
from epochal.cli.selftest import command, fits
from epochal.cli.selftest.scenario import StoreScenario


@pytest.mark.parametrize(("kind", "points"), [("crash", 2), ("faults", 20), ("power", 20)])
def test_the_proofs_say_what_they_did_and_leave_nothing(tmp_path, capsys, kind, points):
    assert main(["selftest", kind, "--points", str(points), "--folder", str(tmp_path)]) == 0
    *each, total = capsys.readouterr().out.splitlines()
    assert total.startswith(f"{kind}: {points} points in ")
    assert total.endswith("0 failures")
    assert len(each) == (2 if kind == "crash" else len(each)) > 0
    assert os.listdir(tmp_path) == []


class Forgetful(StoreScenario):
    """Says that a save is acknowledged before it is made."""

    def save(self, store, weights, state):
        if state["step"] != 1:
            super().save(store, weights, state)


def test_a_failure_ends_with_an_error_and_what_is_left_is_kept(tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(command, "SCENARIOS", (Forgetful("forgetful", steps=2),))
    monkeypatch.setattr(fits, "FITS", ())
    assert main(["selftest", "crash", "--points", "16", "--folder", str(tmp_path)]) == 2
    error = capsys.readouterr().err
    assert "forgetful, killed " in error
    assert "1 saves were acknowledged, 0 are left" in error
    assert os.listdir(tmp_path) != []  # a folder with the evidence


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [(["--points", "0"], "--points is 0; give 1 or more"), (["--folder", "none"], "is no folder")],
)
def test_what_cannot_be_is_an_error(capsys, arguments, reason):
    assert main(["selftest", "crash", *arguments]) == 2
    assert reason in capsys.readouterr().err
