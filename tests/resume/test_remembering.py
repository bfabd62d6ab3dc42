"""What objects of the user remember in plain attributes comes back, though nobody declared it."""

import copy
import functools
import itertools
import random
from collections import deque

import numpy as np
import pytest
import torch
from dying import Dies
from torch import nn
from torch.utils.data import (
    DataLoader,
    Dataset,
    DistributedSampler,
    Subset,
    TensorDataset,
    WeightedRandomSampler,
    default_collate,
)

import epochal
from epochal import layers
from epochal.callbacks import BackupAndRestore, Callback
from epochal.core.errors import UsageError

X = torch.randn(22, 3, generator=torch.Generator().manual_seed(0))
Y = X.sum(1, keepdim=True)
ROWS = TensorDataset(X, Y)
STARTS = itertools.count()


def fit(folder, *, model=None, data=None, callbacks=(), after=None, save_freq=1, **more):
    """Train as a script without a seed does: every process begins with other generators."""
    seed = 1 if after is not None or not folder.exists() else 100 + next(STARTS)
    torch.manual_seed(seed)
    np.random.seed(seed)
    random.seed(seed)
    made = model() if model else epochal.Sequential([layers.Dense(2, input_dim=3), layers.Dense(1)])
    if not made.compiled:
        made.compile("sgd", "mse")
    feed, own = data() if data else ((X, Y), [])
    backup = BackupAndRestore(folder, save_freq, delete_checkpoint=False, asynchronous=False)
    used = [*[make() for make in callbacks], *own, backup]
    history = made.fit(
        *(feed if isinstance(feed, tuple) else (feed,)),
        batch_size=4 if isinstance(feed, tuple) else None,
        epochs=3,
        verbose=0,
        callbacks=used if after is None else [*used, Dies(after)],
        **{name: make() for name, make in more.items()},
    )
    return [history.history, [weight.tobytes().hex() for weight in made.get_weights()]]


def assert_exact(folder, cuts=((1, 4), (1, 9), ("epoch", 8), ("epoch", 14)), **script):
    whole = fit(folder / "whole", **script)
    for save_freq, after in cuts:
        again = folder / f"{save_freq} {after}"
        with pytest.raises(ZeroDivisionError):
            fit(again, after=after, save_freq=save_freq, **script)
        assert fit(again, save_freq=save_freq, **script) == whole, (save_freq, after)


class Transform:
    def __init__(self):
        self.draw = np.random.RandomState(3)

    def __call__(self, rows):
        return rows * (1 + self.draw.rand())


class Rows(Dataset):
    stage = 0

    def __init__(self):
        self.transforms = [Transform()]
        self.given = 0

    def __len__(self):
        return len(X)

    def __getitem__(self, row):
        self.given += 1
        return self.transforms[0](X[row]) * (1 + self.given / 100 + self.stage), Y[row]


class Passes:
    """Batches of a sampler, or of an iterable, in an order that counts its passes."""

    def __init__(self, batches=False):
        self.batches = batches
        self.passes = 0

    def __len__(self):
        return 6

    def __iter__(self):
        self.passes += 1
        order = np.random.default_rng(self.passes).permutation(22)
        for start in range(0, 22, 4):
            rows = order[start : start + 4].tolist()
            yield (X[rows], Y[rows]) if self.batches else rows


class AtEnds(Callback):
    def __init__(self, act):
        self.act = act

    def on_epoch_end(self, epoch, logs=None):
        self.act(epoch, logs["loss"])


def told_of_epochs():
    sampler = DistributedSampler(ROWS, 1, 0)
    tell = AtEnds(lambda epoch, _: sampler.set_epoch(epoch + 1))
    return DataLoader(ROWS, 4, sampler=sampler), [tell]


def weighed_anew():
    sampler = WeightedRandomSampler(torch.linspace(0.1, 1, 22), 22)

    def weigh(_, loss):
        sampler.weights = sampler.weights.roll(3) * (1 + loss)

    return DataLoader(ROWS, 4, sampler=sampler), [AtEnds(weigh)]


def staged():
    rows = Rows()
    return DataLoader(rows, 4), [AtEnds(lambda epoch, _: setattr(rows, "stage", epoch))]


def collated():
    def collate(transform, rows):
        x, y = default_collate(rows)
        return transform(x), y

    return DataLoader(ROWS, 4, collate_fn=functools.partial(collate, Transform())), []


DATA = {
    "rows in a loader": lambda: (DataLoader(Rows(), 4, shuffle=True), []),
    "rows": lambda: ((Rows(),), []),
    "a part of rows": lambda: (DataLoader(Subset(Rows(), range(20)), 4), []),
    "passes of a sampler": lambda: (DataLoader(ROWS, batch_sampler=Passes()), []),
    "passes": lambda: (Passes(batches=True), []),
    "told of epochs": told_of_epochs,
    "weighed anew": weighed_anew,
    "staged": staged,
    "collated": collated,
}


@pytest.mark.parametrize("kind", DATA)
def test_what_data_remember_in_attributes_comes_back(tmp_path, kind):
    assert_exact(tmp_path, data=DATA[kind])


@pytest.mark.parametrize("kind", ["rows in a loader", "rows"])
def test_a_validation_that_was_looked_at_before_training_is_looked_at_again(tmp_path, kind):
    assert_exact(
        tmp_path,
        cuts=((1, 4), (1, 9)),
        validation_data=lambda: DATA[kind]()[0][0] if kind == "rows" else DATA[kind]()[0],
    )


class Counts(nn.Module):
    """A layer that counts its steps in a number, in a tensor, and in a state of its own."""

    def __init__(self):
        super().__init__()
        self.line = nn.Linear(3, 1)
        self.steps = 0
        self.mean = torch.zeros(())

    def forward(self, x):
        if self.training:
            self.steps += 1
            self.mean = 0.9 * self.mean + 0.1 * x.detach().mean()
        return self.line(x) * (1 + self.steps / 100) + self.mean

    def get_extra_state(self):
        return {"steps": self.steps}

    def set_extra_state(self, state):
        self.steps = state["steps"]


class Pair(epochal.Model):
    """Two nets that train against each other, each with an optimizer of its own."""

    def __init__(self, made):
        super().__init__()
        self.one, self.other = nn.Linear(3, 2), nn.Linear(2, 1)
        self.optimizers = [made(self.one), made(self.other)]
        self.steps = 0
        self.compile()

    def forward(self, x):
        return self.other(self.one(x))

    def train_step(self, data):
        self.steps += 1
        loss = (self(data[0]) - data[1]).square().mean() + torch.randn(()) * self.steps / 10
        self.zero_grad()
        loss.backward()
        self.optimizers[self.steps % 2].step()
        return {"loss": float(loss.detach())}


def own_adam(net):
    made = epochal.optimizers.Adam(0.01)
    made.build(net.named_parameters())
    return made


MODELS = {
    "counting layer": lambda: epochal.Model(Counts()),
    "two optimizers of torch": lambda: Pair(lambda net: torch.optim.Adam(net.parameters(), 0.01)),
    "two optimizers": lambda: Pair(own_adam),
}


@pytest.mark.parametrize("kind", MODELS)
def test_what_models_remember_and_hold_comes_back(tmp_path, kind):
    assert_exact(tmp_path, model=MODELS[kind])


class Cycle(Callback):
    """Holds a scheduler of torch that the callbacks' list knows nothing of."""

    def on_train_begin(self, logs=None):
        optimizer = self.model.optimizer.torch_optimizer
        self.held = torch.optim.lr_scheduler.OneCycleLR(optimizer, 0.1, total_steps=30)

    def on_train_batch_end(self, batch, logs=None):
        self.held.step()


class Teacher(Callback):
    """Logs how far the weights are from a mean of them; counts in all that can count."""

    def on_train_begin(self, logs=None):
        self.mean = copy.deepcopy(self.model)
        self.last, self.kinds, self.by_epoch = deque(maxlen=3), set(), {}

    def on_train_batch_end(self, batch, logs=None):
        for mean, weight in zip(self.mean.parameters(), self.model.parameters(), strict=True):
            mean.data.mul_(0.9).add_(weight.data, alpha=0.1)
        self.last.append(float(logs["loss"]))
        self.kinds.add(batch)

    def on_epoch_end(self, epoch, logs=None):
        self.by_epoch[epoch] = [sum(self.last), len(self.kinds)]
        logs["mean"] = sum(float(weight.detach().sum()) for weight in self.mean.parameters())
        logs["counted"] = sum(sum(values) for values in self.by_epoch.values())


def counting_closure():
    count, times = {"batches": 0}, 0

    def batch_end(batch, logs=None):
        nonlocal times
        count["batches"] += 1
        times += 2

    return epochal.callbacks.LambdaCallback(
        on_train_batch_end=batch_end,
        on_epoch_end=lambda epoch, logs: logs.update(counted=count["batches"], times=times),
    )


@pytest.mark.parametrize("made", [Cycle, Teacher, counting_closure])
def test_what_callbacks_remember_and_hold_comes_back(tmp_path, made):
    assert_exact(tmp_path, callbacks=[made])


def test_what_another_callback_remembered_is_not_put_into_one_that_stands_in_its_place(tmp_path):
    class One(Callback):
        count = 0

        def on_epoch_end(self, epoch, logs=None):
            self.count += 1

    class Other(One):
        pass

    with pytest.raises(ZeroDivisionError):
        fit(tmp_path, callbacks=[One], after=14)
    one, other = One(), Other()
    fit(tmp_path, callbacks=[lambda: other, lambda: one])
    assert (one.count, other.count) == (3, 1)


def test_what_cannot_come_back_is_a_warning_that_says_what_to_do(tmp_path):
    class Odd:
        def state_dict(self):
            return {"made": object()}

        def load_state_dict(self, state):
            raise AssertionError

    class Late(Callback):
        def __init__(self, held):
            self.held = held

        def on_epoch_begin(self, epoch, logs=None):
            if not epoch:
                self.late = torch.optim.SGD(self.model.parameters(), 0.1, momentum=0.9)

    with pytest.warns(UserWarning, match="will not come back: .*held: made is a object"):
        fit(tmp_path / "odd", callbacks=[lambda: Late(Odd())])
    with pytest.raises(ZeroDivisionError):
        fit(tmp_path / "late", callbacks=[lambda: Late(None)], save_freq="epoch", after=8)
    with pytest.warns(UserWarning, match="callback Late 1/late had come to is not put back"):
        fit(tmp_path / "late", callbacks=[lambda: Late(None)])


def two_fits(folder, after=None, *, again=None):
    """A script with two fits in one folder; `again` changes what the second one is given."""
    left = [after]

    def count(batch, logs=None):
        left[0] -= 1
        if left[0] < 0:
            raise ZeroDivisionError

    epochal.utils.set_random_seed(1)
    model = epochal.Model(nn.Linear(3, 1))
    model.compile("sgd", "mse")
    halving = epochal.callbacks.ReduceLROnPlateau("loss", factor=0.5, patience=1, min_delta=100)
    for more in ({"epochs": 2, "x": X}, {"x": X, "epochs": 4, **(again or {})}):
        delete = more.pop("delete", again is None)
        backup = BackupAndRestore(folder, delete_checkpoint=delete, asynchronous=False)
        used = [backup, *([halving] if more["epochs"] == 2 else [])]
        if after is not None:
            used.insert(0, epochal.callbacks.LambdaCallback(on_train_batch_begin=count))
        model.fit(y=Y, batch_size=8, verbose=0, callbacks=used, **more)
    weights = [weight.tobytes() for weight in model.get_weights()]
    return weights, float(model.optimizer.learning_rate)


def test_a_second_fit_in_a_folder_is_never_taken_for_the_first(tmp_path):
    with pytest.raises(ZeroDivisionError):
        two_fits(tmp_path, after=10)
    with pytest.raises(UsageError, match="it was fit number 2 of the model, and this is number 1"):
        two_fits(tmp_path)


def test_a_run_of_other_values_is_refused_and_another_validation_is_warned_of(tmp_path):
    with pytest.raises(UsageError, match="the data have other values than before"):
        two_fits(tmp_path / "other", again={"x": X.flip(0)})
    rows = DataLoader(TensorDataset(X, Y), 8)
    others = DataLoader(TensorDataset(X.flip(0), Y), 8)
    with pytest.raises(ZeroDivisionError):
        fit(tmp_path / "loader", after=4, data=lambda: (rows, []))
    with pytest.raises(UsageError, match="the data have other values than before"):
        fit(tmp_path / "loader", data=lambda: (others, []))
    folder = tmp_path / "validated"
    with pytest.raises(ZeroDivisionError):
        fit(folder, after=9, validation_data=lambda: (X[:8], Y[:8]))
    with pytest.warns(UserWarning, match="the validation data have other values"):
        fit(folder, validation_data=lambda: (X[8:16], Y[8:16]))


def test_a_fit_that_goes_on_with_a_finished_one_finds_its_learning_rate_again(tmp_path):
    more = {"again": {"epochs": 4}}
    whole = two_fits(tmp_path / "whole", **more)
    for after in (7, 10):
        with pytest.raises(ZeroDivisionError):
            two_fits(tmp_path / str(after), after=after, **more)
        assert two_fits(tmp_path / str(after), **more) == whole


@pytest.mark.parametrize("kind", ["loader", "rows"])
def test_rows_that_draw_from_nobody_knows_where_are_refused_or_warned_of(tmp_path, kind):
    def data():
        draw = np.random.default_rng(3)  # as one at the top of a script

        class Hidden(Rows):
            def __getitem__(self, row):
                return X[row] + draw.random(), Y[row]

        return (DataLoader(Hidden(), 4) if kind == "loader" else (Hidden(),)), []

    for save_freq in (1, "epoch"):
        with pytest.raises(ZeroDivisionError):
            fit(tmp_path / str(save_freq), data=data, save_freq=save_freq, after=9)
    with pytest.raises(UsageError, match="does not give the batches it gave before"):
        fit(tmp_path / "1", data=data)
    with pytest.warns(UserWarning, match="draw random numbers from generators in its attributes"):
        fit(tmp_path / "epoch", data=data)
