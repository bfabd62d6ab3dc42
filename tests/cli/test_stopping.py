"""`python -m epochal stopping`, on files as they are."""

import subprocess
import sys

import pytest

from epochal.cli import main


@pytest.fixture
def log(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    rows = [(t, 1 / (t + 1), 1 / (t + 1) + (t / 60) ** 2, t / 60) for t in range(60)]
    lines = ["epoch,loss,val_loss,val_acc", *(",".join(map(str, row)) for row in rows)]
    path = tmp_path / "train_log.csv"
    path.write_text("\n".join(lines))
    return path


def test_it_prints_a_row_a_criterion_and_recommends_one(log, capsys):
    assert main(["stopping", str(log)]) == 0
    out = capsys.readouterr().out
    assert out.count("strip=5") == 5
    assert "val_loss, 60 epochs" in out
    assert out.splitlines()[-1].startswith("rule 1: GeneralizationLoss(1, strip=5): take a fast")


def test_it_knows_what_is_better_large_and_leaves_pq_out_without_training_values(log, capsys):
    assert main(["stopping", str(log), "--monitor", "val_acc", "--strip", "2"]) == 0
    out = capsys.readouterr().out
    assert "ProgressQuotient" not in out
    assert out.count("never") == 9


def test_it_saves_a_picture(log, capsys):
    assert main(["stopping", str(log), "--plot", "stops.png"]) == 0
    assert (log.parent / "stops.png").stat().st_size > 1000
    assert capsys.readouterr().out.splitlines()[-1] == "saved stops.png"


def test_a_mistake_is_one_line_and_status_2(log, capsys):
    assert main(["stopping", str(log), "--monitor", "val_los"]) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.count("\n") == 1
    assert "did you mean 'val_loss'" in captured.err


def test_it_runs_as_a_module(log):
    command = [sys.executable, "-m", "epochal", "stopping", log.name, "--goal", "chance"]
    done = subprocess.run(command, cwd=log.parent, capture_output=True, text=True, check=True)
    assert "rule 1" in done.stdout
    assert done.stderr == ""
