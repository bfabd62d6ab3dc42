"""Every example runs as a user would run it: a process of its own, warnings as errors."""

import os
import re
import subprocess
import sys

import pytest


@pytest.fixture
def run(root, tmp_path):
    """Run an example in an empty folder and return what it printed."""

    def run(name, *arguments):
        # OpenMP's threads would fight over the cores with the tests beside this one.
        environment = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONWARNINGS": "error"}
        done = subprocess.run(
            [sys.executable, root / "examples" / name, *arguments],
            cwd=tmp_path,
            env=environment,
            capture_output=True,
            text=True,
            timeout=300,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        assert done.stderr == ""
        return done.stdout

    return run


def test_the_quickstart_stops_early_and_says_how_it_went(run):
    printed = run("quickstart.py", "400")
    assert "400 epochs; lowest val_loss 0." in printed
    assert float(re.search(r"accuracy (\S+)", printed)[1]) >= 0.8


def test_the_dataloader_example_learns_the_digits(run):
    printed = run("dataloader.py", "4")
    assert "weights of the net: 0.weight, 0.bias, 4.weight, 4.bias" in printed
    assert "learning_rate: " in printed  # the scheduler changes it, so it is logged
    assert float(re.search(r"accuracy on 359 pictures: (\S+)", printed)[1]) >= 0.9


def test_the_two_headed_net_reports_both_heads(run):
    printed = run("multi_output.py", "3")
    assert re.search(r"Epoch 3/3 .* val_digit_accuracy: \S+ - val_ink_mae: \S+", printed)
    assert re.search(r"the first test picture: a \d, ink 0\.\d+", printed)


def test_the_gan_trains_with_a_step_of_its_own(run):
    printed = run("custom_loop_model.py", "2")
    assert re.search(r"Epoch 2/2 - 20 steps .* critic: \S+ - generator: \S+ - radius: \S+", printed)


def test_the_old_script_runs_with_six_callbacks_and_reloads_its_best_model(run, tmp_path):
    printed = run("moons_callbacks.py", "400", "out")
    assert re.search(r"400 epochs, learning rate 0\.001 down to ", printed)
    assert float(re.search(r"best model: train \S+, test (\S+);", printed)[1]) > 0.8
    names = {path.name for path in (tmp_path / "out").iterdir()}
    assert names == {"best.safetensors", "log.csv", "tensorboard"}


def test_f1_is_watched_by_a_stop_that_stands_before_it(run):
    printed = run("f1_each_epoch.py", "12")
    assert "val_precision: " in printed
    assert float(re.search(r"best F1 (\S+) in", printed)[1]) > 0.9


def test_a_criterion_is_chosen_on_a_recorded_curve_and_then_used(run, tmp_path):
    printed = run("choose_a_criterion.py", "60", "curve.png")
    assert re.search(r"^SuccessiveIncreases\(8\) +never ", printed, re.MULTILINE)
    assert re.search(r"^rule [123]: \w+\(.*\): ", printed, re.MULTILINE)
    assert re.search(r"stopped after \d+ of 60 epochs: ", printed)
    assert float(re.search(r"^test loss (\S+)$", printed, re.MULTILINE)[1]) < 0.5
    assert (tmp_path / "curve.png").stat().st_size > 10_000


def test_a_module_of_ones_own_is_saved_whole_and_trained_on(run):
    printed = run("save_your_module.py")
    assert "loaded Moons(width=32) after 40 steps" in printed
    assert "the same as never interrupted: True" in printed


def test_every_example_is_run_by_some_test(root):
    tests = "".join(file.read_text(encoding="utf-8") for file in root.glob("tests/**/*.py"))
    examples = [path.name for path in (root / "examples").glob("*.py")]
    assert [name for name in examples if name not in tests] == []
