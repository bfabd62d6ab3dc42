"""A run that is asked to end inside of a validation leaves it, and goes on exactly."""

import os
import signal

import pytest
import torch
from dying import Dies
from torch.utils.data import DataLoader, IterableDataset, TensorDataset

import epochal
from epochal import layers, metrics
from epochal.callbacks import (
    BackupAndRestore,
    Callback,
    CSVLogger,
    EarlyStopping,
    EpochPredictions,
    History,
    ModelCheckpoint,
    SwapEMAWeights,
    TensorBoard,
)
from epochal.stopping import Budget
from epochal.storage import CheckpointStore
from epochal.utils import set_random_seed

X = torch.randn(24, 3, generator=torch.Generator().manual_seed(0))
Y = X.sum(1, keepdim=True)


class Asks(Callback):
    """Asks the process to end in a batch of a validation."""

    def __init__(self, epoch, batch, number=signal.SIGTERM):
        self.at, self.number = (epoch, batch), number

    def on_epoch_begin(self, epoch, logs=None):
        self.epoch = epoch

    def on_test_batch_begin(self, batch, logs=None):
        if (self.epoch, batch) == self.at:
            os.kill(os.getpid(), self.number)


class Counts(Callback):
    """Has a state that validations change."""

    state = ("seen", "batches")

    def on_train_begin(self, logs=None):
        self.seen, self.batches = [], 0

    def on_test_batch_end(self, batch, logs=None):
        self.batches += 1
        self.seen.append(batch)


class Largest(metrics.Metric):
    """Sums that are kept in a plain attribute, and are used by training and validation."""

    def __init__(self):
        super().__init__(name="largest")
        self.largest = 0.0

    def update_state(self, y_true, y_pred, sample_weight=None):
        self.largest = max(self.largest, float((y_true - y_pred).abs().max()))

    def result(self):
        return self.largest

    def reset_state(self):
        self.largest = 0.0


class Spread(EpochPredictions):
    provides = ("val_spread",)

    def score(self, epoch, y_true, y_pred):
        return {"val_spread": float(y_pred.std())}


class Stream(IterableDataset):
    """Each pass begins where the one before has left it."""

    def __init__(self):
        self.shift = 0

    def __iter__(self):
        for row in range(24):
            yield X[(row * 7 + self.shift) % 24], Y[(row * 7 + self.shift) % 24]
        self.shift += 5

    def state_dict(self):
        return {"shift": self.shift}

    def load_state_dict(self, state):
        self.shift = state["shift"]


class Unseeded:
    """Gives other batches in each pass, whatever was seeded."""

    def __iter__(self):
        noise = torch.Generator()
        noise.seed()
        for _ in range(3):
            yield X[:8] + torch.rand(8, 3, generator=noise), Y[:8]


class OwnSteps(epochal.Model):
    def __init__(self, module):
        super().__init__(module)
        self.mean = metrics.Mean(name="own")

    @property
    def metrics(self):
        return [self.mean]

    def train_step(self, data):
        x, y = data
        loss = self.compute_loss(x, y, self(x))
        loss.backward()
        self.optimizer.step()
        self.mean.update_state(loss.detach())
        return {"own": self.mean.result(), "loss": loss}

    def test_step(self, data):
        x, y = data
        self.mean.update_state((y - self(x)).abs().mean())
        return {"own": self.mean.result()}


def loader():
    return DataLoader(TensorDataset(X, Y), 8, shuffle=True)


KINDS = {
    "arrays": lambda: ((X, Y), {"batch_size": 8}),
    "loader": lambda: ((loader(),), {}),
    "stream": lambda: ((DataLoader(Stream(), 8),), {}),
    "passes that go on": lambda: ((loader(),), {"steps_per_epoch": 2}),
    "in no order that comes again": lambda: ((Unseeded(),), {}),
    "own steps": lambda: ((X, Y), {"batch_size": 8}),
    "data that run out": lambda: ((iter(list(loader()) * 2),), {"steps_per_epoch": 4}),
}


def saved(folder):
    with CheckpointStore(folder) as store:
        return store.newest()[0].state


def fit(folder, kind, *callbacks, epochs=3, **backup):
    set_random_seed(3)
    parts = [layers.Dense(4, input_dim=3), layers.Dropout(0.3, seed=4), layers.Dense(1)]
    made = OwnSteps(torch.nn.Linear(3, 1)) if kind == "own steps" else epochal.Sequential(parts)
    made.compile("adam", "mse", metrics=None if kind == "own steps" else ["mae", Largest()])
    (*data,), options = KINDS[kind]()
    counts = Counts()
    used = [
        *callbacks,
        counts,
        CSVLogger(folder / "log.csv"),
        *([] if kind == "own steps" else [Spread()]),
        BackupAndRestore(folder / "run", delete_checkpoint=False, **backup),
    ]
    history = made.fit(
        *data, epochs=epochs, verbose=0, validation_data=loader(), callbacks=used, **options
    )
    weights = [weight.tobytes() for weight in made.get_weights()]
    optimizer = repr(made.optimizer.state_dict())
    csv = (folder / "log.csv").read_text()
    return history.history, weights, optimizer, counts.state_dict(), csv, torch.rand(1).item()


@pytest.mark.filterwarnings("ignore:the data ran out")
@pytest.mark.parametrize("asynchronous", [False, True])
@pytest.mark.parametrize("kind", [kind for kind in KINDS if "no order" not in kind])
def test_a_validation_that_was_left_is_done_anew_and_the_run_ends_the_same(
    tmp_path, kind, asynchronous
):
    for name in ("whole", "cut"):
        (tmp_path / name).mkdir()
    whole = fit(tmp_path / "whole", kind)
    for asked in ((0, 0), (0, 2), (1, 1)):
        with pytest.raises(SystemExit) as caught:
            fit(tmp_path / "cut", kind, Asks(*asked), asynchronous=asynchronous)
        assert caught.value.code == 143
        state = saved(tmp_path / "cut" / "run")
        assert state["position"][0] == asked[0]
        assert state["position"][1] in (2, 3, 4)
        assert state["trained"]
    assert fit(tmp_path / "cut", kind) == whole


def test_ctrl_c_in_a_validation_is_a_keyboard_interrupt(tmp_path):
    with pytest.raises(KeyboardInterrupt):
        fit(tmp_path, "arrays", Asks(1, 0, signal.SIGINT))
    assert saved(tmp_path / "run")["position"] == [1, 3]


def test_data_that_come_in_no_order_again_may_be_left_after_their_last_batch(tmp_path):
    kind = "in no order that comes again"
    with pytest.raises(SystemExit):
        fit(tmp_path, kind, Asks(1, 1))
    assert len(fit(tmp_path, kind)[0]["loss"]) == 3


def test_a_validation_of_averages_is_ended_before_the_run_is_left(tmp_path):
    def train(folder, *callbacks):
        set_random_seed(3)
        made = epochal.Sequential([layers.Dense(1, input_dim=3)])
        made.compile(epochal.optimizers.Adam(0.1, use_ema=True, ema_momentum=0.5), "mse")
        backup = BackupAndRestore(folder, delete_checkpoint=False)
        history = made.fit(
            X,
            Y,
            epochs=3,
            verbose=0,
            validation_data=loader(),
            callbacks=[*callbacks, SwapEMAWeights(), backup],
        )
        return history.history, made.get_weights()[0].tobytes()

    whole = train(tmp_path / "whole")
    with pytest.raises(SystemExit):
        train(tmp_path / "cut", Asks(1, 0))
    assert saved(tmp_path / "cut")["position"] == [2, 0]  # after the validation
    assert train(tmp_path / "cut") == whole


def test_a_validation_is_left_with_every_callback_that_writes(tmp_path):
    def train(folder, *callbacks):
        set_random_seed(3)
        made = epochal.Sequential([layers.Dense(1, input_dim=3)])
        made.compile("adam", "mse")
        folder.mkdir(exist_ok=True)
        used = [
            *callbacks,
            History(),
            ModelCheckpoint(folder / "best.safetensors", save_best_only=True),
            EarlyStopping(patience=2, restore_best_weights=True),
            TensorBoard(folder / "tb", write_graph=False),
            BackupAndRestore(folder / "run", delete_checkpoint=False),
        ]
        made.fit(X, Y, epochs=4, verbose=0, validation_data=loader(), callbacks=used)
        return made.get_weights()[0].tobytes(), (folder / "best.safetensors").read_bytes()

    whole = train(tmp_path / "whole")
    with pytest.raises(SystemExit):
        train(tmp_path / "cut", Asks(2, 1))
    assert train(tmp_path / "cut") == whole


@pytest.mark.parametrize(("at", "dies"), [(5, 2), (8, 3)])
@pytest.mark.parametrize("every", [None, 2])
def test_samples_of_an_open_epoch_are_counted_on_when_the_run_goes_on(tmp_path, every, at, dies):
    # Hooks are called after every third of 8 batches: two are counted by nobody when it is saved.
    seen = []

    def train(folder, *callbacks):
        set_random_seed(3)
        made = epochal.Sequential([layers.Dense(1, input_dim=3)])
        made.compile("adam", "mse", steps_per_execution=3)
        criterion = Budget(samples=60)
        used = [
            *callbacks,
            EarlyStopping("loss", criterion=criterion, every=every),
            BackupAndRestore(folder, save_freq=at, delete_checkpoint=False),
        ]
        history = made.fit(X, Y, batch_size=3, epochs=9, verbose=0, callbacks=used)
        seen.append(criterion.samples_spent)
        return history.epoch, made.get_weights()[0].tobytes()

    whole = train(tmp_path / "whole")
    with pytest.raises(ZeroDivisionError):
        train(tmp_path / "cut", Dies(dies))
    assert saved(tmp_path / "cut")["position"] == [0, at]
    assert train(tmp_path / "cut") == whole
    assert seen[0] == seen[1]
