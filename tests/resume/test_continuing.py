"""What may be different when a run goes on, what may not, and how a run is asked to end."""

import os
import re
import signal
import subprocess
import sys
import threading

import numpy as np
import pytest
import torch
import torchmetrics
from dying import Dies
from torch.utils.data import DataLoader, TensorDataset

import epochal
from epochal import layers
from epochal.callbacks import BackupAndRestore, Callback, CSVLogger, EarlyStopping
from epochal.core.errors import UsageError
from epochal.state import pack, unpack
from epochal.stopping import Budget
from epochal.utils import set_random_seed

X = torch.randn(24, 3, generator=torch.Generator().manual_seed(0))
Y = X.sum(1, keepdim=True)


def fit(folder, *callbacks, units=4, rate=0.1, batch=8, data=None, seed=3, dies=None, **more):
    set_random_seed(seed)
    made = epochal.Sequential([layers.Dense(units, input_dim=3), layers.Dense(1)])
    made.compile(
        epochal.optimizers.SGD(rate),
        "mse",
        metrics=more.pop("metrics", None),
        jit_compile=more.pop("jit", False),
    )
    options = {"delete_checkpoint": False, "save_freq": 1, **more.pop("backup", {})}
    used = [*callbacks, BackupAndRestore(folder, **options)]
    data = (X, Y) if data is None else data
    batch = batch if isinstance(data, tuple) else None
    epochs = more.pop("epochs", 3)
    data = data if isinstance(data, tuple) else (data,)
    if dies is not None:
        with pytest.raises(ZeroDivisionError):
            made.fit(
                *data,
                batch_size=batch,
                epochs=epochs,
                verbose=0,
                callbacks=[*used, Dies(dies)],
                **more,
            )
        return None
    return made.fit(*data, batch_size=batch, epochs=epochs, verbose=0, callbacks=used, **more)


def test_more_epochs_another_rate_and_other_callbacks_are_allowed(tmp_path):
    fit(tmp_path, dies=4)
    history = fit(tmp_path, EarlyStopping("loss", patience=50), rate=0.01, epochs=5)
    assert history.epoch == [0, 1, 2, 3, 4]
    assert history.model.optimizer.learning_rate == 0.01


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"units": 5}, "weight dense.weight was float32 (4, 3) and is float32 (5, 3)"),
        ({"batch": 6}, "batch size was 8 and is 6"),
        ({"data": (X[:16], Y[:16])}, "rows was 24 and is 16"),
        ({"seed": 4}, "the seed was 3 and is 4"),
    ],
)
def test_another_model_batch_size_length_or_seed_is_one_error_that_says_what(
    tmp_path, change, said
):
    fit(tmp_path, dies=4)
    before = sorted(path.name for path in tmp_path.iterdir())
    with pytest.raises(UsageError, match=re.escape(said)) as caught:
        fit(tmp_path, **change)
    assert "Give this run a folder of its own" in str(caught.value)
    assert sorted(path.name for path in tmp_path.iterdir()) == before
    assert fit(tmp_path).epoch == [0, 1, 2]  # nothing was harmed


def test_every_difference_is_listed_at_once(tmp_path):
    fit(tmp_path, dies=4)
    with pytest.raises(UsageError) as caught:
        fit(tmp_path, units=5, seed=4, data=(X[:16], Y[:16]))
    assert all(word in str(caught.value) for word in ("dense.weight", "the seed", "rows was 24"))


def test_other_metrics_in_the_middle_of_an_epoch_are_refused(tmp_path):
    fit(tmp_path, dies=4)
    with pytest.raises(UsageError, match="compile with the same losses and metrics"):
        fit(tmp_path, metrics=["mae"])


def test_data_that_come_in_another_order_are_refused_and_a_sentence_says_what_to_do(tmp_path):
    def batches(shift):
        rows = torch.arange(24).roll(shift)
        return [(X[part], Y[part]) for part in rows.split(8)]

    fit(tmp_path, data=batches(0), dies=5)
    with pytest.raises(UsageError, match="seed what shuffles them"):
        fit(tmp_path, data=batches(1))
    assert fit(tmp_path, data=batches(0)).epoch == [0, 1, 2]


def test_a_generator_is_counted_forward(tmp_path):
    def endless(seeded=True):
        noise = torch.Generator().manual_seed(1) if seeded else None
        while True:
            yield X[:8] + torch.rand(8, 3, generator=noise), Y[:8]

    more = {"steps_per_epoch": 4}
    whole = fit(tmp_path / "a", data=endless(), **more)
    fit(tmp_path / "b", data=endless(), dies=6, **more)
    assert fit(tmp_path / "b", data=endless(), **more).history == whole.history
    # One that draws from the generator that everybody draws from gives others when it is counted.
    fit(tmp_path / "c", data=endless(seeded=False), dies=6, **more)
    with pytest.raises(UsageError, match="seed what shuffles them"):
        fit(tmp_path / "c", data=endless(seeded=False), **more)


def test_a_sampler_of_ones_own_is_counted_forward_with_its_rows(tmp_path):
    class Own(torch.utils.data.Sampler):
        def __len__(self):
            return 24

        def __iter__(self):
            return iter(np.random.permutation(24).tolist())

    def loader():
        return DataLoader(TensorDataset(X, Y), 8, sampler=Own())

    whole = fit(tmp_path / "a", data=loader())
    fit(tmp_path / "b", data=loader(), dies=5)
    assert fit(tmp_path / "b", data=loader()).history == whole.history


def test_a_dataset_with_a_generator_of_its_own_goes_on_with_it(tmp_path):
    class Noisy(TensorDataset):
        def __init__(self):
            super().__init__(X, Y)
            self.noise = np.random.default_rng(1)

        def __getitem__(self, index):
            x, y = super().__getitem__(index)
            return x + float(self.noise.normal()), y

    for name, make in {"plain": Noisy, "loader": lambda: DataLoader(Noisy(), 8)}.items():
        data = make()
        whole = fit(tmp_path / f"{name} a", data=(data,) if name == "plain" else data)
        data = make()
        fit(tmp_path / f"{name} b", data=(data,) if name == "plain" else data, dies=5)
        data = make()
        again = fit(tmp_path / f"{name} b", data=(data,) if name == "plain" else data)
        assert again.history == whole.history


def test_steps_that_a_budget_counts_are_not_counted_twice(tmp_path):
    def stopping():
        return EarlyStopping("loss", criterion=Budget(steps=7))

    whole = fit(tmp_path / "a", stopping(), epochs=9)
    fit(tmp_path / "b", stopping(), epochs=9, dies=5)
    assert fit(tmp_path / "b", stopping(), epochs=9).history == whole.history


@pytest.mark.filterwarnings("ignore:.*torch.jit:DeprecationWarning")  # torch's own compiler
@pytest.mark.parametrize("kind", ["torchmetrics", "compiled"])
def test_metrics_of_others_and_compiled_steps_go_on_exactly(tmp_path, kind):
    def once(folder, **more):
        if kind == "torchmetrics":
            return fit(folder, metrics=[torchmetrics.PearsonCorrCoef()], **more)
        return fit(folder, jit=True, **more)

    whole = once(tmp_path / "a")
    once(tmp_path / "b", dies=5)
    again = once(tmp_path / "b")
    assert again.history == whole.history
    assert all(map(np.array_equal, again.model.get_weights(), whole.model.get_weights()))


def test_a_finished_run_started_again_gives_the_same_and_trains_nothing(tmp_path):
    first = fit(tmp_path / "run", CSVLogger(tmp_path / "log.csv"))
    weights = first.model.get_weights()
    written = (tmp_path / "log.csv").read_text()
    again = fit(tmp_path / "run", CSVLogger(tmp_path / "log.csv"))
    assert again.history == first.history
    assert all(map(np.array_equal, again.model.get_weights(), weights))
    assert (tmp_path / "log.csv").read_text() == written


def test_a_finished_run_that_was_removed_begins_anew(tmp_path, capsys):
    fit(tmp_path / "run", backup={"delete_checkpoint": True})
    assert not (tmp_path / "run").exists()
    fit(tmp_path / "run", backup={"delete_checkpoint": True})
    assert "resuming" not in capsys.readouterr().out


def test_a_frequency_above_the_length_of_an_epoch_saves_all_the_same(tmp_path):
    fit(tmp_path, backup={"save_freq": 5}, dies=8)
    found, _ = epochal.storage.CheckpointStore(tmp_path).newest()
    assert found.state["position"] == [1, 2]


def test_two_that_save_one_run_are_refused(tmp_path):
    with pytest.raises(UsageError, match="two callbacks save this run"):
        fit(tmp_path / "a", BackupAndRestore(tmp_path / "b"))


def test_numbers_of_numpy_in_a_history_come_back_as_what_they_were():
    tree = {"f1": [np.float64(0.1), np.float32(0.1), np.int64(3)], "w": np.ones(2)}
    back = unpack(*pack(tree))
    assert [type(value) for value in back["f1"]] == [np.float64, np.float32, np.int64]
    assert back["f1"] == tree["f1"]
    assert back["w"].tolist() == [1, 1]


SCRIPT = """
import sys, os, signal, threading, time
import torch, epochal
from epochal import layers
from epochal.callbacks import BackupAndRestore, Callback, CSVLogger
from epochal.utils import set_random_seed
folder, phase, number, times = sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4])
torch.set_num_threads(2)
class Asks(Callback):
    def _ask(self, where):
        if where == phase and self.epoch == 1 and not self.asked:
            self.asked = True
            for _ in range(times):
                os.kill(os.getpid(), number)
    epoch, asked = 0, False
    def on_epoch_begin(self, epoch, logs=None): self.epoch = epoch; self._ask("epoch begin")
    def on_train_batch_begin(self, batch, logs=None): self._ask("batch begin")
    def on_train_batch_end(self, batch, logs=None): self._ask("batch end")
    def on_test_batch_end(self, batch, logs=None): self._ask("validation")
    def on_epoch_end(self, epoch, logs=None): self._ask("epoch end")
    def on_train_end(self, logs=None): self._ask("train end")
set_random_seed(1)
x = torch.randn(40, 4); y = x.sum(1, keepdim=True)
model = epochal.Sequential([layers.Dense(8, activation="relu", input_dim=4), layers.Dropout(0.3),
                            layers.Dense(1)])
model.compile("adam", "mse")
history = model.fit(x, y, batch_size=8, epochs=3, validation_data=(x, y), verbose=0, callbacks=[
    Asks(), CSVLogger(folder + "/log.csv"),
    BackupAndRestore(folder + "/run", delete_checkpoint=False)])
print(history.history, [w.tobytes() for w in model.get_weights()])
"""


def start(folder, phase="never", number=0, times=1):
    command = [sys.executable, "-c", SCRIPT, str(folder), phase, str(int(number)), str(times)]
    return subprocess.run(command, capture_output=True, text=True, timeout=120)


def last_line(done):
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()[-1]


@pytest.fixture(scope="module")
def expected(tmp_path_factory):
    return last_line(start(tmp_path_factory.mktemp("whole")))


@pytest.mark.parametrize(
    ("phase", "number", "code"),
    [
        ("batch begin", signal.SIGTERM, 143),
        ("validation", signal.SIGTERM, 143),
        ("epoch end", signal.SIGTERM, 143),
        ("batch end", signal.SIGINT, -signal.SIGINT),
    ],
)
def test_a_signal_saves_leaves_and_the_run_goes_on_exactly(tmp_path, expected, phase, number, code):
    done = start(tmp_path, phase, number)
    assert done.returncode == code, done.stderr
    assert "Traceback" not in done.stderr or number == signal.SIGINT
    again = start(tmp_path)
    assert "resuming at epoch" in again.stdout
    assert last_line(again) == expected


def test_a_second_signal_leaves_at_once_and_nothing_is_lost(tmp_path, expected):
    done = start(tmp_path, "batch begin", signal.SIGTERM, times=2)
    assert done.returncode == -signal.SIGTERM
    again = start(tmp_path)
    assert last_line(again) == expected


def asks(at):
    class Asks(Callback):
        def on_train_batch_end(self, batch, logs=None):
            if at == "batch":
                os.kill(os.getpid(), signal.SIGTERM)

        def on_train_end(self, logs=None):
            if at == "end":
                os.kill(os.getpid(), signal.SIGTERM)

    return Asks()


def test_a_signal_that_comes_when_training_has_ended_still_ends_the_process(tmp_path):
    before = signal.getsignal(signal.SIGTERM)
    with pytest.raises(SystemExit) as caught:
        fit(tmp_path, asks("end"))
    assert caught.value.code == 143
    assert signal.getsignal(signal.SIGTERM) is before


def test_a_signal_leaves_once_the_update_is_saved_and_handlers_are_given_back(tmp_path):
    before = signal.getsignal(signal.SIGTERM)
    with pytest.raises(SystemExit) as caught:
        fit(tmp_path, asks("batch"), backup={"save_freq": "epoch"})
    assert caught.value.code == 143
    assert signal.getsignal(signal.SIGTERM) is before
    found, _ = epochal.storage.CheckpointStore(tmp_path).newest()
    assert found.state["position"] == [0, 1]


def test_in_another_thread_a_run_is_saved_and_signals_are_left_alone(tmp_path):
    before = signal.getsignal(signal.SIGTERM)
    seen = []

    class Looks(Callback):
        def on_train_batch_end(self, batch, logs=None):
            seen.append(signal.getsignal(signal.SIGTERM))

    thread = threading.Thread(target=fit, args=(tmp_path, Looks()))
    thread.start()
    thread.join()
    assert set(seen) == {before}
    assert fit(tmp_path).epoch == [0, 1, 2]
