"""Which hooks run when, with what, and through how many frames."""

import sys
import traceback
from pathlib import Path

import pytest
import torch
from torch import nn

import epochal
from epochal.callbacks import Callback, CallbackList, EarlyStopping, History, LambdaCallback
from epochal.callbacks.base import HOOKS
from epochal.core.errors import UsageError, UsageTypeError

SOURCE = str(Path(epochal.__file__).parent)


def linear_model(**compile_arguments):
    model = epochal.Model(nn.Linear(3, 1))
    model.compile("sgd", "mse", **{"metrics": ["mae"], **compile_arguments})
    return model


def rows(count=8):
    return torch.randn(count, 3), torch.randn(count, 1)


class Tracer(Callback):
    """Writes down every hook with its arguments, as Keras' reference trace does."""

    def __init__(self):
        self.lines = []

    def note(self, name, *position, logs):
        assert logs == {} or all(type(value) is float for value in logs.values())
        self.lines.append((name, *position, tuple(logs)))

    def set_model(self, model):
        super().set_model(model)
        self.lines.append(("set_model",))

    def set_params(self, params):
        super().set_params(params)
        self.lines.append(("set_params", params))


def _tracing(name):
    if "batch" in name:

        def hook(self, batch, logs=None):
            self.note(name, batch, logs=logs)
            base = getattr(Callback, name)
            base(self, batch, logs=logs)

    elif "epoch" in name:

        def hook(self, epoch, logs=None):
            self.note(name, epoch, logs=logs)

    else:

        def hook(self, logs=None):
            self.note(name, logs=logs)

    return hook


for _name in HOOKS:
    setattr(Tracer, _name, _tracing(_name))


def test_fit_calls_the_hooks_in_keras_order_with_keras_arguments():
    tracer = Tracer()
    model = linear_model()
    model.fit(
        *rows(8),
        batch_size=4,
        epochs=2,
        validation_data=rows(4),
        validation_batch_size=2,
        verbose=0,
        callbacks=[tracer],
    )
    both = ("loss", "mae")
    epoch_logs = ("loss", "mae", "val_loss", "val_mae")
    expected = [
        ("set_model",),
        ("set_params", {"verbose": 0, "epochs": 2, "steps": 2}),
        ("on_train_begin", ()),
    ]
    for epoch in range(2):
        expected.append(("on_epoch_begin", epoch, ()))
        for batch in range(2):
            expected += [
                ("on_train_batch_begin", batch, ()),
                ("on_batch_begin", batch, ()),
                ("on_train_batch_end", batch, both),
                ("on_batch_end", batch, both),
            ]
        expected.append(("on_test_begin", ()))
        for batch in range(2):
            expected += [("on_test_batch_begin", batch, ()), ("on_test_batch_end", batch, both)]
        expected += [("on_test_end", both), ("on_epoch_end", epoch, epoch_logs)]
    expected.append(("on_train_end", epoch_logs))
    assert tracer.lines == expected


def test_evaluate_and_predict_call_their_own_hooks():
    model = linear_model()
    tracer = Tracer()
    model.evaluate(*rows(4), batch_size=2, verbose=0, callbacks=[tracer])
    names = [line[0] for line in tracer.lines]
    batches = ["on_test_batch_begin", "on_test_batch_end"] * 2
    assert names == ["set_model", "set_params", "on_test_begin", *batches, "on_test_end"]

    seen = []
    watcher = LambdaCallback(
        on_predict_begin=lambda logs: seen.append(logs),
        on_predict_batch_end=lambda batch, logs: seen.append((batch, logs["outputs"].shape)),
        on_predict_end=lambda logs: seen.append(logs),
    )
    model.predict(rows(4)[0], batch_size=3, verbose=0, callbacks=watcher)
    assert seen == [{}, (0, (3, 1)), (1, (1, 1)), {}]


def test_at_most_five_frames_of_ours_lie_between_fit_and_a_users_forward():
    stacks = []

    class Net(epochal.Model):
        def __init__(self):
            super().__init__()
            self.layer = nn.Linear(3, 1)

        def forward(self, x):
            stacks.append(traceback.extract_stack(sys._getframe()))
            return self.layer(x)

    class Inner(nn.Module):
        def __init__(self):
            super().__init__()
            self.layer = nn.Linear(3, 1)

        def forward(self, x):
            stacks.append(traceback.extract_stack(sys._getframe()))
            return self.layer(x)

    for model in (Net(), epochal.Model(Inner()), epochal.Sequential([Inner()])):
        model.compile("sgd", "mse")
        model.fit(*rows(), verbose=0, validation_data=rows())
    assert len(stacks) >= 9
    ours = [sum(frame.filename.startswith(SOURCE) for frame in stack) for stack in stacks]
    assert max(ours) <= 5


def test_at_most_five_frames_of_ours_lie_between_fit_and_a_users_hook():
    depths = []

    def depth(*_, **__):
        frames = traceback.extract_stack(sys._getframe())
        depths.append(sum(frame.filename.startswith(SOURCE) for frame in frames))

    model = linear_model()
    model.fit(
        *rows(), verbose=0, callbacks=LambdaCallback(on_train_batch_end=depth, on_epoch_end=depth)
    )
    assert depths
    assert max(depths) <= 5


def test_batch_logs_are_means_since_the_epoch_began():
    seen = []
    model = linear_model(metrics=[])
    model.optimizer.learning_rate = 0.0
    x, y = rows(10)
    with torch.no_grad():
        errors = (model(x) - y).square().flatten()
    watcher = LambdaCallback(on_train_batch_end=lambda batch, logs: seen.append(logs["loss"]))
    model.fit(x, y, batch_size=4, shuffle=False, epochs=2, verbose=0, callbacks=watcher)
    means = [errors[:end].mean().item() for end in (4, 8, 10)]
    assert seen == pytest.approx(means * 2, rel=1e-6)


def test_logs_kept_and_read_after_fit_give_the_values_of_their_own_moment():
    read, kept = [], []

    def note(batch, logs):
        kept.append(logs)

    torch.manual_seed(1)
    x, y = rows(64)
    for hook in (note, lambda batch, logs: read.append(dict(logs))):
        torch.manual_seed(2)
        model = linear_model()
        model.fit(
            x,
            y,
            batch_size=4,
            epochs=2,
            verbose=0,
            validation_data=(x, y),
            callbacks=LambdaCallback(on_train_batch_end=hook, on_test_batch_end=hook),
        )
    assert len(kept) == len(read)
    for late, early in zip(kept, read, strict=True):
        assert dict(late) == pytest.approx(early, rel=1e-6)


def test_what_one_callback_adds_to_the_logs_reaches_those_after_it_and_the_history():
    seen = []

    class Adds(Callback):
        provides = ("val_score",)

        def on_epoch_end(self, epoch, logs=None):
            logs["val_score"] = 10.0 + epoch

    stopping = EarlyStopping(monitor="val_score", mode="max", patience=5)
    reader = LambdaCallback(
        on_epoch_end=lambda epoch, logs: seen.append(logs["val_score"]),
        on_train_end=lambda logs: seen.append("val_score" in logs),
    )
    history = linear_model().fit(*rows(), epochs=2, verbose=0, callbacks=[Adds(), stopping, reader])
    assert seen == [10.0, 11.0, False]
    assert history.history["val_score"] == [10.0, 11.0]
    assert stopping.best == 11.0


def test_the_learning_rate_is_readable_always_and_listed_once_something_changes_it():
    read = []

    def note(epoch, logs):
        read.append((logs["learning_rate"], logs.get("lr"), "learning_rate" in logs))

    model = linear_model()
    model.fit(*rows(), epochs=1, verbose=0, callbacks=LambdaCallback(on_epoch_end=note))
    assert read == [(0.01, 0.01, False)]

    def halve(epoch, logs):
        model.optimizer.learning_rate = model.optimizer.learning_rate / 2

    history = model.fit(
        *rows(), epochs=3, verbose=0, callbacks=LambdaCallback(on_epoch_begin=halve)
    )
    assert history.history["learning_rate"] == [0.005, 0.0025, 0.00125]


@pytest.mark.parametrize(
    ("hook", "batches", "epochs"),
    [
        ("on_train_begin", 0, 0),
        ("on_epoch_begin", 1, 1),
        ("on_train_batch_begin", 1, 1),
        ("on_train_batch_end", 1, 1),
        ("on_epoch_end", 2, 1),
    ],
)
def test_stop_training_ends_after_the_batch_at_hand_and_on_train_end_runs(hook, batches, epochs):
    done = {"batches": 0, "epochs": 0, "ends": 0}

    def count(name):
        def add(*_, **__):
            done[name] += 1

        return add

    class Stop(Callback):
        pass

    def stop(self, *_, **__):
        self.model.stop_training = True

    stopper = type("Stop", (Callback,), {hook: stop})()
    counter = LambdaCallback(
        on_train_batch_end=count("batches"),
        on_epoch_end=count("epochs"),
        on_train_end=count("ends"),
    )
    model = linear_model()
    model.fit(*rows(8), batch_size=4, epochs=5, verbose=0, callbacks=[stopper, counter])
    assert done == {"batches": batches, "epochs": epochs, "ends": 1}
    model.fit(*rows(8), batch_size=4, epochs=1, verbose=0)
    assert model.history.epoch == [0]  # the stop was of the run before


def test_an_exception_in_a_hook_names_callback_and_hook_and_closes_every_file():
    closed = []

    class Breaks(Callback):
        def on_train_batch_end(self, batch, logs=None):
            raise RuntimeError("out of paper")

    class Holds(Callback):
        def on_train_end(self, logs=None):
            closed.append("faked")

        def close(self):
            closed.append("closed")

    model = linear_model()
    with pytest.raises(RuntimeError, match="out of paper") as caught:
        model.fit(*rows(), verbose=0, callbacks=[Breaks(), Holds()])
    assert any("Breaks.on_train_batch_end" in note for note in caught.value.__notes__)
    assert closed == ["closed"]


def test_ctrl_c_leaves_the_model_usable_without_leftover_gradients():
    model = linear_model()

    class Interrupts(nn.Module):
        def __init__(self):
            super().__init__()
            self.layer = nn.Linear(3, 1)
            self.calls = 0
            self.layer.weight.register_post_accumulate_grad_hook(self.interrupt)

        def interrupt(self, _):
            self.calls += 1
            if self.calls == 2:
                raise KeyboardInterrupt

        def forward(self, x):
            return self.layer(x)

    module = Interrupts()
    model = epochal.Model(module)
    model.compile("sgd", "mse")
    with pytest.raises(KeyboardInterrupt):
        model.fit(*rows(8), batch_size=4, epochs=3, verbose=0)
    assert all(weight.grad is None for weight in model.parameters())
    assert model.fit(*rows(8), verbose=0).epoch == [0]
    assert model.predict(rows(2)[0], verbose=0).shape == (2, 1)


def test_a_callback_that_never_called_super_init_and_names_its_parameter_log_works():
    class Old(Callback):
        def __init__(self):
            self.seen = []

        def on_epoch_end(self, epoch, log=None):
            self.seen.append((epoch, log["loss"], self.model is not None, self.params["epochs"]))

    old = Old()
    linear_model().fit(*rows(), epochs=2, verbose=0, callbacks=old)
    assert [entry[0] for entry in old.seen] == [0, 1]


def test_evaluating_inside_of_a_hook_does_not_disturb_the_epochs_own_values():
    x, y = rows(32)
    histories = []
    for evaluates in (False, True):
        torch.manual_seed(3)
        model = linear_model()

        def hook(batch, logs, model=model, evaluates=evaluates):
            if evaluates:
                model.evaluate(x[:3], y[:3], verbose=0)
            assert model.training

        watcher = LambdaCallback(on_train_batch_end=hook)
        histories.append(
            model.fit(x, y, batch_size=8, epochs=2, verbose=0, callbacks=watcher).history
        )
    assert histories[0] == histories[1]


def test_callbacks_may_be_one_a_nest_a_ready_list_or_none():
    for given in (None, [], History(), [[LambdaCallback()], (LambdaCallback(),)], CallbackList([])):
        history = linear_model().fit(*rows(), verbose=0, callbacks=given)
        assert history.epoch == [0]
    own = History()
    assert linear_model().fit(*rows(), verbose=0, callbacks=[own]) is own


def test_what_is_no_callback_is_refused_before_training():
    for wrong in (EarlyStopping, [EarlyStopping], "EarlyStopping", 3, print):
        with pytest.raises(UsageTypeError, match=r"callbacks|EarlyStopping"):
            linear_model().fit(*rows(), verbose=0, callbacks=wrong)


def test_a_misspelt_hook_is_an_error_when_the_class_is_made():
    with pytest.raises(UsageTypeError, match="did you mean 'on_epoch_end'"):
        type("Typo", (Callback,), {"on_epoch_ends": lambda self, epoch, logs=None: None})
    with pytest.raises(TypeError, match="did you mean 'on_epoch_end'"):
        LambdaCallback(on_epoch_ennd=print)


def test_a_monitor_that_nothing_will_log_is_an_error_before_step_one():
    model = linear_model()
    before = model.get_weights()[0].copy()
    with pytest.raises(UsageError, match="did you mean 'val_loss'"):
        model.fit(
            *rows(), verbose=0, validation_data=rows(), callbacks=EarlyStopping(monitor="val_los")
        )
    with pytest.raises(UsageError, match="There is no validation"):
        model.fit(*rows(), verbose=0, callbacks=EarlyStopping())
    assert (model.get_weights()[0] == before).all()
