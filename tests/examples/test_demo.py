"""`make demo`, for real but short: what it prints and every file it promises."""

import csv
import os
import re
import subprocess
import sys

import pytest
from PIL import Image

from epochal.datasets import digits
from epochal.models import load_model


@pytest.fixture
def demo(root, tmp_path):
    def demo(*arguments):
        environment = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONWARNINGS": "error"}
        done = subprocess.run(
            [sys.executable, root / "examples" / "demo.py", "--out", "out", *arguments],
            cwd=tmp_path,
            env=environment,
            capture_output=True,
            text=True,
            timeout=300,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    return demo


def accuracy(printed):
    return float(re.search(r"accuracy (\S+)%", printed)[1]) / 100


def rows_of(file):
    with file.open(newline="") as lines:
        return list(csv.DictReader(lines))


def test_the_demo_learns_the_digits_and_leaves_every_file_it_names(demo, tmp_path):
    printed = demo("--epochs", "12")
    out = tmp_path / "out"
    # Measured over five seeds with all of its epochs: 98.3 to 99.4 %.
    assert accuracy(printed) >= 0.95

    rows = rows_of(out / "log.csv")
    columns = ["epoch", "loss", "accuracy", "val_loss", "val_accuracy", "val_f1"]
    assert list(rows[0]) == columns
    assert [int(row["epoch"]) for row in rows] == list(range(len(rows)))
    assert all(0 <= float(row["val_f1"]) <= 1 for row in rows)
    assert len(re.findall(r"^Epoch \d+/12 - ", printed, flags=re.MULTILINE)) == len(rows)

    best = min(rows, key=lambda row: float(row["val_loss"]))
    assert f"the weights are those of epoch {int(best['epoch']) + 1}," in printed
    _, (x, y) = digits.load_data()
    scores = load_model(out / "best.safetensors").evaluate(x[..., None] / 16, y, verbose=0)
    assert scores[1] == pytest.approx(accuracy(printed), abs=1e-4)

    with Image.open(out / "curves.png") as picture:
        picture.load()
        assert picture.size > (600, 200)
        assert len(set(picture.convert("RGB").resize((90, 30)).get_flattened_data())) > 10
    for name in ("curves.png", "best.safetensors", "log.csv"):
        assert f"out/{name}" in printed
        assert (out / name).stat().st_size > 0


def test_the_demo_trains_on_fashion_mnist_too(demo, tmp_path, shared_data):
    folder = shared_data / "fashion_mnist"
    printed = demo(
        *("--data", "fashion-mnist", "--folder", str(folder)),
        *("--epochs", "1", "--images", "1400"),
    )
    assert "4,443 test pictures that training never saw" in printed
    assert "Ankle boot" in printed
    assert len(rows_of(tmp_path / "out" / "log.csv")) == 1


def test_the_demo_says_what_is_wrong_with_its_arguments(root):
    done = subprocess.run(
        [sys.executable, root / "examples" / "demo.py", "--data", "mnist"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 2
    assert "choose from" in done.stderr
