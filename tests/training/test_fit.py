"""What `fit` computes: the numbers of a hand-written loop, over every kind of data."""

import copy
import warnings

import numpy as np
import pytest
import torch
from torch import nn
from torch.utils.data import DataLoader, Dataset, IterableDataset, TensorDataset

import epochal
from epochal.callbacks import LambdaCallback
from epochal.core.random import epoch_order
from epochal.layers import BatchNormalization, Dense
from epochal.training import feeding


def classes(count=50, features=4, kinds=3):
    x = torch.randn(count, features)
    return x, torch.randint(kinds, (count,))


def network():
    return nn.Sequential(nn.Linear(4, 16), nn.ReLU(), nn.Linear(16, 3))


def fitted(module, *data, **arguments):
    model = epochal.Model(module)
    model.compile(torch.optim.Adam, nn.CrossEntropyLoss(), metrics=["acc"])
    model.fit(*data, **{"verbose": 0, **arguments})
    return model


def test_losses_and_weights_are_bit_for_bit_those_of_a_hand_written_loop(monkeypatch):
    x, y = classes(50)
    module = network()
    twin = copy.deepcopy(module)
    monkeypatch.setattr(feeding, "draw_seed", lambda: 7)
    model = epochal.Model(module)
    model.compile(lambda p: torch.optim.Adam(p, fused=True), nn.CrossEntropyLoss(), metrics=["acc"])
    history = model.fit(x, y, batch_size=16, epochs=3, verbose=0)

    optimizer = torch.optim.Adam(twin.parameters(), fused=True)
    criterion = nn.CrossEntropyLoss()
    losses, accuracies = [], []
    for epoch in range(3):
        total, right = 0.0, 0
        for rows in epoch_order(50, 7, epoch).split(16):
            output = twin(x[rows])
            loss = criterion(output, y[rows])
            loss.backward()
            optimizer.step()
            optimizer.zero_grad()
            total += loss.item() * len(rows)
            right += int((output.argmax(1) == y[rows]).sum())
        losses.append(total / 50)
        accuracies.append(right / 50)
    for ours, theirs in zip(module.parameters(), twin.parameters(), strict=True):
        assert torch.equal(ours, theirs)
    assert history.history["loss"] == pytest.approx(losses, rel=1e-12)
    assert history.history["acc"] == pytest.approx(accuracies, rel=1e-12)


def test_one_seed_fixes_weights_order_and_dropout():
    x, y = classes()
    finals = []
    for seed in (1, 1, 2):
        epochal.utils.set_random_seed(seed)
        model = epochal.Sequential([Dense(8, activation="relu"), nn.Dropout(0.5), Dense(3)])
        model.compile("adam", nn.CrossEntropyLoss())
        model.fit(x, y, epochs=2, verbose=0)
        finals.append(model.get_weights())
    assert all((a == b).all() for a, b in zip(finals[0], finals[1], strict=True))
    assert any((a != b).any() for a, b in zip(finals[0], finals[2], strict=True))


def test_a_second_fit_goes_on_with_the_optimizer_and_compiling_again_resets_it():
    x, y = classes()
    model = fitted(network(), x, y, epochs=2)
    assert model.optimizer.iterations == 4
    model.fit(x, y, epochs=5, initial_epoch=3, verbose=0)
    assert model.history.epoch == [3, 4]
    assert model.optimizer.iterations == 8
    before = model.get_weights()
    model.compile("adam", nn.CrossEntropyLoss())
    assert model.optimizer.iterations == 0
    assert all((a == b).all() for a, b in zip(before, model.get_weights(), strict=True))


def test_no_epochs_train_nothing_and_log_nothing():
    x, y = classes()
    model = fitted(network(), x, y, epochs=0)
    assert model.history.history == {}
    assert model.optimizer.iterations == 0


class Rows(Dataset):
    def __init__(self, x, y):
        self.x, self.y = x, y

    def __len__(self):
        return len(self.x)

    def __getitem__(self, index):
        return self.x[index], self.y[index]


class Stream(IterableDataset):
    def __init__(self, x, y):
        self.x, self.y = x, y

    def __iter__(self):
        return iter(zip(self.x, self.y, strict=True))


class Indexed:
    """A sequence of batches with nothing but a length and places."""

    def __init__(self, x, y):
        self.x, self.y = x, y

    def __len__(self):
        return -(-len(self.x) // 10)

    def __getitem__(self, index):
        return self.x[index * 10 : index * 10 + 10], self.y[index * 10 : index * 10 + 10]


@pytest.mark.parametrize(
    ("make", "arguments"),
    [
        (lambda x, y: (x, y), {"batch_size": 10}),
        (lambda x, y: (x.numpy(), y.numpy()), {"batch_size": 10}),
        (lambda x, y: (x.double().numpy(), y.numpy().astype("uint8")), {"batch_size": 10}),
        (lambda x, y: (x.tolist(), y.tolist()), {"batch_size": 10}),
        (lambda x, y: (TensorDataset(x, y),), {"batch_size": 10}),
        (lambda x, y: (Rows(x, y),), {"batch_size": 10}),
        (lambda x, y: (Stream(x, y),), {"batch_size": 10}),
        (lambda x, y: (DataLoader(Rows(x, y), batch_size=10),), {}),
        (lambda x, y: (Indexed(x, y),), {}),
        (lambda x, y: ([Indexed(x, y)[i] for i in range(5)],), {}),
    ],
)
def test_every_kind_of_data_gives_the_same_training(make, arguments):
    x, y = classes(50)
    module = network()
    twin = copy.deepcopy(module)
    if "batch_size" in arguments:
        arguments = {**arguments, "shuffle": False}
    fitted(module, *make(x, y), epochs=2, **arguments)
    fitted(twin, x, y, batch_size=10, shuffle=False, epochs=2)
    for ours, theirs in zip(module.parameters(), twin.parameters(), strict=True):
        assert torch.equal(ours, theirs)


def test_a_dataset_is_shuffled_in_the_order_that_seed_and_epoch_fix(monkeypatch):
    monkeypatch.setattr(feeding, "draw_seed", lambda: 11)
    x, y = classes(50)
    module, twin = network(), None
    twin = copy.deepcopy(module)
    fitted(module, Rows(x, y), epochs=2)
    fitted(twin, x, y, epochs=2)
    for ours, theirs in zip(module.parameters(), twin.parameters(), strict=True):
        assert torch.equal(ours, theirs)


def test_a_generator_is_never_replayed():
    x, y = classes(50)
    given = []

    def batches():
        for start in range(0, 50, 10):
            given.append(start)
            yield x[start : start + 10], y[start : start + 10]

    seen = []
    watcher = LambdaCallback(on_train_batch_end=lambda batch, logs: seen.append(batch))
    fitted(network(), batches(), epochs=1, callbacks=watcher)
    assert given == [0, 10, 20, 30, 40]
    assert seen == [0, 1, 2, 3, 4]
    with pytest.raises(ValueError, match="only once"):
        fitted(network(), batches(), epochs=2)


def test_an_endless_generator_needs_no_more_than_its_steps():
    x, y = classes(10)
    drawn = []

    def forever():
        while True:
            drawn.append(1)
            yield x, y

    model = fitted(network(), forever(), steps_per_epoch=3, epochs=2)
    assert model.optimizer.iterations == 6
    assert len(drawn) == 6


def test_data_that_run_out_end_training_with_a_warning():
    x, y = classes(10)
    with pytest.warns(UserWarning, match=r"ran out in epoch 2 of 4, after 1 of 3 batches"):
        model = fitted(network(), iter([(x, y)] * 4), steps_per_epoch=3, epochs=4)
    assert model.optimizer.iterations == 4
    assert model.history.epoch == [0, 1]
    with pytest.warns(UserWarning, match="after 0 of 3 batches"):
        model = fitted(network(), iter([(x, y)] * 3), steps_per_epoch=3, epochs=4)
    assert model.history.epoch == [0]


def test_a_pass_that_ends_mid_epoch_goes_on_into_the_next_and_no_epoch_is_short():
    x, y = classes(80)
    counts, params = [], []

    def count(batch, logs):
        counts[-1] += 1

    watcher = LambdaCallback(
        on_epoch_begin=lambda epoch, logs: counts.append(0), on_train_batch_end=count
    )
    model = fitted(network(), x, y, batch_size=10, steps_per_epoch=3, epochs=4, callbacks=watcher)
    assert counts == [3, 3, 3, 3]
    params.append(model.history.params["steps"])
    assert params == [3]


def test_without_a_batch_size_steps_per_epoch_sets_it():
    x, y = classes(50)
    sizes = []
    model = epochal.Model(network())
    model.compile("sgd", nn.CrossEntropyLoss())
    model.network.register_forward_hook(lambda m, i, o: sizes.append(len(o)))
    model.fit(x, y, steps_per_epoch=4, verbose=0)
    assert sizes[1:] == [13, 13, 13, 11]  # the first call is the dry run's


@pytest.mark.parametrize(
    ("freq", "epochs_of"), [(1, [0, 1, 2, 3, 4]), (2, [1, 3]), ([1, 5], [0, 4]), ((2,), [1])]
)
def test_validation_runs_as_often_as_asked_and_the_history_knows_when(freq, epochs_of):
    x, y = classes()
    model = fitted(
        network(), x, y, epochs=5, validation_data=(x, y), validation_freq=freq, validation_steps=1
    )
    assert model.history.epochs_of["val_loss"] == epochs_of
    assert len(model.history.history["loss"]) == 5


def test_validation_split_takes_the_last_rows_and_does_exact_arithmetic():
    x, y = classes(10)
    x[9] = 100.0
    model = epochal.Model(network())
    model.compile("sgd", nn.CrossEntropyLoss())
    model.optimizer.learning_rate = 0.0
    history = model.fit(x, y, validation_split=0.9, verbose=0)
    kept = model.evaluate(x[1:], y[1:], verbose=0)
    assert history.history["val_loss"] == pytest.approx([kept], rel=1e-5)
    assert history.history["loss"] == pytest.approx([model.evaluate(x[:1], y[:1], verbose=0)])


def test_validation_data_may_be_a_loader_or_a_generator_with_steps():
    x, y = classes()
    for data in (DataLoader(Rows(x, y), batch_size=7), TensorDataset(x, y), [(x, y)]):
        model = fitted(network(), x, y, validation_data=data, epochs=2, batch_size=32)
        assert len(model.history.history["val_acc"]) == 2

    def forever():
        while True:
            yield x, y

    model = fitted(network(), x, y, validation_data=forever(), validation_steps=2, epochs=2)
    assert len(model.history.history["val_loss"]) == 2
    with pytest.raises(ValueError, match="validation_steps"):
        fitted(network(), x, y, validation_data=forever(), epochs=2)


def test_weights_of_samples_and_classes_count_as_in_keras():
    x, y = torch.zeros(4, 1), torch.tensor([[1.0], [2.0], [3.0], [4.0]])
    model = epochal.Model(nn.Linear(1, 1, bias=False))
    model.compile("sgd", "mse", weighted_metrics=["mae"], metrics=["mae"])
    model.optimizer.learning_rate = 0.0
    weight = np.array([1.0, 0.0, 0.0, 1.0])
    logs = model.fit(x, y, sample_weight=weight, verbose=0).history
    assert logs["loss"] == [(1 + 16) / 4]  # Keras divides by the number of rows
    assert logs["mae"] == [2.5]
    assert logs["weighted_mae"] == [2.5]  # (1 + 4) / 2: a weighted mean
    x, y = torch.zeros(4, 4), torch.tensor([0, 1, 2, 0])
    model = epochal.Model(nn.Linear(4, 3, bias=False))
    model.compile("sgd", nn.CrossEntropyLoss(reduction="mean"))
    model.optimizer.learning_rate = 0.0
    plain = model.fit(x, y, verbose=0).history["loss"][0]
    weighted = model.fit(x, y, class_weight={0: 3.0, 2: 0.0}, verbose=0).history["loss"][0]
    assert weighted == pytest.approx(plain * (3 + 1 + 0 + 3) / 4)


def test_validation_uses_the_running_statistics_and_does_not_change_them():
    x, y = classes()
    model = epochal.Sequential([Dense(8), BatchNormalization(), nn.Dropout(0.5), Dense(3)])
    model.compile("sgd", nn.CrossEntropyLoss())
    model.fit(x, y, verbose=0)
    before = {name: value.clone() for name, value in model.state_dict().items()}
    first = model.evaluate(x, y, verbose=0)
    assert first == model.evaluate(x, y, verbose=0)
    assert all(torch.equal(before[name], value) for name, value in model.state_dict().items())


def test_regularisation_is_part_of_the_loss_and_constraints_hold_after_every_update():
    x, y = torch.zeros(4, 2), torch.zeros(4, 1)
    model = epochal.Sequential(
        [Dense(1, input_dim=2, kernel_regularizer="l2", kernel_constraint="non_neg")]
    )
    model.set_weights([np.array([[1.0], [2.0]]), np.zeros(1)])
    model.compile("sgd", "mse")
    assert model.evaluate(x, y, verbose=0) == pytest.approx(0.01 * 5.0)
    assert model.fit(x, y, verbose=0).history["loss"] == pytest.approx([0.01 * 5.0])
    assert (model.get_weights()[0] < [[1.0], [2.0]]).all()
    model.compile("sgd", lambda y_true, y_pred: y_pred.mean())
    model.fit(torch.ones(4, 2) * 1000, y, verbose=0)
    assert (model.get_weights()[0] == 0).all()


def test_integer_images_train_in_a_sequential():
    x = np.random.default_rng(0).integers(0, 256, (20, 8, 8, 1), dtype=np.uint8)
    model = epochal.Sequential(
        [
            epochal.layers.Rescaling(1 / 255),
            epochal.layers.Conv2D(4, 3),
            epochal.layers.Flatten(),
            Dense(2, activation="softmax"),
        ]
    )
    model.compile("adam", "sparse_categorical_crossentropy", metrics=["acc"])
    model.fit(x, np.arange(20) % 2, verbose=0)
    assert model.predict(x, verbose=0).shape == (20, 2)


def test_non_finite_rows_are_warned_of_once_with_count_and_columns():
    x, y = classes(10)
    x[2, 1] = float("nan")
    x[3, 3] = float("inf")
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        fitted(network(), x, y, epochs=3)
    texts = [str(w.message) for w in caught]
    assert texts == [
        "fit: x holds 2 non-finite of 40 values (columns 1, 3); the loss will be NaN where they "
        "are used"
    ]
    assert caught[0].filename == __file__


def test_the_model_trains_in_train_mode_and_is_left_in_eval_mode():
    modes = []
    x, y = classes(10)
    model = epochal.Model(network())
    model.compile("sgd", nn.CrossEntropyLoss())
    model.network.register_forward_pre_hook(lambda m, i: modes.append(m.training))
    model.fit(x, y, verbose=0, validation_data=(x, y))
    assert modes == [False, False, True, False]  # two dry runs, a step, a validation
    assert not model.training


def test_a_frozen_layer_keeps_its_weights_and_may_be_thawed():
    x, y = classes()
    module = network()
    module[0].requires_grad_(False)
    before = module[0].weight.clone()
    model = epochal.Model(module)
    model.compile("adam", nn.CrossEntropyLoss())
    model.fit(x, y, verbose=0)
    assert torch.equal(module[0].weight, before)
    module[0].requires_grad_(True)
    model.fit(x, y, verbose=0)
    assert not torch.equal(module[0].weight, before)


def test_lazy_torch_modules_are_made_by_the_first_batch():
    x, y = classes()
    model = fitted(nn.Sequential(nn.LazyLinear(8), nn.ReLU(), nn.LazyLinear(3)), x, y, epochs=2)
    assert model.count_params() == 4 * 8 + 8 + 8 * 3 + 3


def test_schedules_and_accumulation_run_inside_of_fit():
    x, y = classes(40)
    model = epochal.Model(network())
    schedule = epochal.optimizers.schedules.ExponentialDecay(0.1, decay_steps=1, decay_rate=0.5)
    model.compile(
        epochal.optimizers.SGD(schedule, gradient_accumulation_steps=2), nn.CrossEntropyLoss()
    )
    history = model.fit(x, y, batch_size=10, epochs=2, verbose=0)
    assert model.optimizer.iterations == 4
    assert history.history["learning_rate"][0] > history.history["learning_rate"][1]


def test_nothing_reads_from_the_device_while_nobody_looks():
    from torch.utils._python_dispatch import TorchDispatchMode

    reads = []

    class Count(TorchDispatchMode):
        def __torch_dispatch__(self, function, types, args=(), kwargs=None):
            if "_local_scalar_dense" in str(function) or "nonzero" in str(function):
                reads.append(str(function))
            return function(*args, **(kwargs or {}))

    x, y = classes(64)
    model = epochal.Model(network())
    model.compile("adam", nn.CrossEntropyLoss(), metrics=["acc"])
    model.fit(x, y, verbose=0)
    from epochal.data import ArrayFeed
    from epochal.training.step import train_step

    board = model._compiled.scoreboard()
    feed = ArrayFeed(x, y, None, batch_size=8)
    with Count():
        for batch in feed.epoch(0):
            train_step(model._compiled, batch, board)
            board.moment()
        assert reads == []
        torch.ones(()).item()
    assert len(reads) == 1  # the counter counts
    assert board.moment().read("loss") > 0
