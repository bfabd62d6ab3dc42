"""Runs on loaders and datasets that say where they stand, and on those that cannot."""

import numpy as np
import pytest
import torch
from dying import Dies
from torch.utils.data import DataLoader, Dataset, IterableDataset, TensorDataset, default_collate
from torchdata import nodes
from torchdata.stateful_dataloader import StatefulDataLoader

import epochal
from epochal import layers
from epochal.callbacks import BackupAndRestore
from epochal.cli.selftest.children import in_child
from epochal.utils import set_random_seed

pytestmark = pytest.mark.filterwarnings("ignore:'set_vital' is deprecated")

X = torch.randn(22, 3, generator=torch.Generator().manual_seed(0))
Y = X.sum(1, keepdim=True)


class Noisy(Dataset):
    """Draws random numbers for each row, where it is read."""

    def __len__(self):
        return len(X)

    def __getitem__(self, row):
        return X[row] + torch.randn(3), Y[row]


class Counting(Dataset):
    """Gives other rows the more of them it has given."""

    def __init__(self):
        self.given = 0

    def __len__(self):
        return len(X)

    def __getitem__(self, row):
        self.given += 1
        return X[row] * (1 + self.given / 100), Y[row]

    def state_dict(self):
        return {"given": self.given}

    def load_state_dict(self, state):
        self.given = state["given"]


class Stream(IterableDataset):
    """Rows in an order that each pass leaves behind for the next one."""

    def __init__(self):
        self.state = {"at": 0, "shift": 0}

    def __iter__(self):
        worker = torch.utils.data.get_worker_info()
        part, parts = (0, 1) if worker is None else (worker.id, worker.num_workers)
        while self.state["at"] < len(X):
            at = self.state["at"]
            self.state["at"] += 1
            if at % parts == part:
                row = (at * 7 + self.state["shift"]) % len(X)
                yield X[row], Y[row]
        self.state["at"] = 0
        self.state["shift"] += 5

    def state_dict(self):
        return self.state  # the one that goes on changing

    def load_state_dict(self, state):
        self.state = dict(state)


class Plain(IterableDataset):
    def __iter__(self):
        yield from zip(X, Y, strict=True)


def of_nodes(sampler):
    """A loader whose state counts the rows of a sampler, and knows nothing of its generator."""
    rows = nodes.Mapper(nodes.SamplerWrapper(sampler), lambda row: (X[row], Y[row]))
    batches = nodes.Batcher(rows, 4, drop_last=False)
    return nodes.Loader(nodes.Mapper(batches, default_collate))


KINDS = {
    "rows": lambda **more: StatefulDataLoader(TensorDataset(X, Y), 4, **more),
    "shuffled": lambda **more: StatefulDataLoader(TensorDataset(X, Y), 4, shuffle=True, **more),
    "seeded": lambda **more: StatefulDataLoader(
        TensorDataset(X, Y), 4, shuffle=True, generator=torch.Generator().manual_seed(5), **more
    ),
    "noisy": lambda **more: StatefulDataLoader(Noisy(), 4, shuffle=True, **more),
    "counting": lambda **more: StatefulDataLoader(Counting(), 4, **more),
    "stream": lambda **more: StatefulDataLoader(Stream(), 4, **more),
    "without state": lambda **more: StatefulDataLoader(Plain(), 4, **more),
    "nodes": lambda: of_nodes(torch.utils.data.SequentialSampler(X)),
    "a dataset in a loader": lambda: DataLoader(Counting(), 4, shuffle=True),
    "a dataset": Counting,
}


def fit(folder, make, after=None, *, epochs=3, save_freq=1, steps=None, validation=True):
    set_random_seed(3)
    parts = [layers.Dense(4, input_dim=3), layers.Dropout(0.5), layers.Dense(1)]
    model = epochal.Sequential(parts)
    model.compile("sgd", "mse")
    backup = BackupAndRestore(folder, save_freq=save_freq, delete_checkpoint=False)
    data = make()
    history = model.fit(
        data,
        batch_size=4 if isinstance(data, Counting) else None,
        epochs=epochs,
        verbose=0,
        steps_per_epoch=steps,
        validation_data=make() if validation else None,
        validation_steps=steps and 2 if validation else None,
        callbacks=[backup] if after is None else [backup, Dies(after)],
    )
    return [history.history, [weight.tobytes().hex() for weight in model.get_weights()]]


def apart(act):
    """Call it in a fork: the workers of a loader that an exception holds would be waited for."""
    outcome = in_child(act)
    assert not outcome.killed
    return outcome.error or outcome.value


def cut_and_resumed(folder, make, after, **more):
    assert "ZeroDivisionError" in apart(lambda: fit(folder, make, after, **more))
    return apart(lambda: fit(folder, make, **more))


def warning(match, folder, make, after, **more):
    """What a run that was cut is warned of when it goes on."""
    assert "ZeroDivisionError" in apart(lambda: fit(folder, make, after, **more))

    def resume():
        with pytest.warns(UserWarning, match=match) as caught:
            fit(folder, make, **more)
        return [str(one.message) for one in caught]

    return apart(resume)


@pytest.mark.parametrize("steps", [None, 4])
@pytest.mark.parametrize("kind", KINDS)
def test_what_says_where_it_stands_goes_on_there(quick, kind, steps):
    make = KINDS[kind]
    whole = fit(quick / "whole", make, epochs=2, steps=steps)
    for after in range(1, 2 * (steps or 6)):
        more = {"epochs": 2, "steps": steps}
        assert cut_and_resumed(quick / f"{after}", make, after, **more) == whole
        if after % 3 == 0:
            again = cut_and_resumed(quick / f"e{after}", make, after, save_freq="epoch", **more)
            assert again == whole


@pytest.mark.filterwarnings("ignore:.*persistent_workers")
@pytest.mark.parametrize(
    ("kind", "kept"), [("shuffled", False), ("shuffled", True), ("stream", False)]
)
def test_with_workers_too(quick, kind, kept):
    def make():
        return KINDS[kind](num_workers=2, persistent_workers=kept)

    more = {"validation": False}
    whole = apart(lambda: fit(quick / "whole", make, **more))
    for after, save_freq in ((2, 1), (9, 1), (13, "epoch")):
        folder = quick / f"{after}"
        assert cut_and_resumed(folder, make, after, save_freq=save_freq, **more) == whole


@pytest.mark.parametrize("loader", [DataLoader, StatefulDataLoader])
def test_random_numbers_of_workers_come_back_by_epoch(quick, loader):
    def make():
        return loader(Noisy(), 4, shuffle=True, num_workers=2)

    more = {"validation": False, "save_freq": "epoch", "epochs": 2}
    whole = apart(lambda: fit(quick / "whole", make, **more))
    assert cut_and_resumed(quick / "cut", make, 8, **more) == whole


def test_a_stateful_loader_whose_workers_draw_is_refused_inside_of_an_epoch(quick):
    def make():
        return StatefulDataLoader(Noisy(), 4, num_workers=2)

    said = cut_and_resumed(quick, make, 5, validation=False, epochs=1)
    assert "UsageError: x does not give the batches it gave before the interruption" in said
    assert "batch 5 is another one" in said


@pytest.mark.filterwarnings("ignore:.*persistent_workers")
def test_workers_that_live_on_are_warned_of_and_never_trusted_in_silence(quick):
    def make():
        return DataLoader(Noisy(), 4, shuffle=True, num_workers=2, persistent_workers=True)

    more = {"validation": False, "epochs": 2}
    whole = apart(lambda: fit(quick / "whole", make, **more))
    assert cut_and_resumed(quick / "first", make, 3, **more) == whole
    said = warning("persistent_workers=True", quick / "epoch", make, 8, save_freq="epoch", **more)
    assert "may not end bit for bit" in said[0]
    assert "batch 2 is another one" in cut_and_resumed(quick / "second", make, 8, **more)


@pytest.mark.filterwarnings("ignore:.*persistent_workers")
@pytest.mark.parametrize(
    ("make", "teller"),
    [
        (lambda: of_nodes(torch.utils.data.RandomSampler(X)), "Loader"),
        # A worker that is at its end begins another pass when it is told where it stood.
        (
            lambda: KINDS["stream"](num_workers=2, persistent_workers=True),
            "StatefulDataLoader",
        ),
    ],
    ids=["nodes", "workers"],
)
def test_a_state_that_lacks_something_is_never_trusted_in_silence(quick, make, teller):
    more = {"validation": False, "epochs": 2}
    if teller == "Loader":
        assert "batch 3 is another one" in cut_and_resumed(quick / "inside", make, 3, **more)
    said = warning("Let the state", quick / "between", make, 8, save_freq="epoch", **more)
    assert f"Let the state_dict of the {teller} hold all" in said[-1]


def test_a_state_of_arrays_is_compared_and_comes_back(quick):
    class Batches:
        def __init__(self):
            self.order = np.arange(3)

        def __iter__(self):
            while len(self.order):
                row, self.order = self.order[0], self.order[1:]
                yield X[row * 4 : row * 4 + 4], Y[row * 4 : row * 4 + 4]
            self.order = np.roll(np.arange(3), 1)

        def state_dict(self):
            return {"order": self.order, "of": [3, torch.arange(2)]}

        def load_state_dict(self, state):
            self.order = np.asarray(state["order"])

    whole = fit(quick / "whole", Batches)
    for after in range(1, 9):
        assert cut_and_resumed(quick / f"{after}", Batches, after) == whole
