"""Steps that a user writes: `train_step`, `test_step`, `predict_step`, `compute_loss`."""

import pytest
import torch
from torch import nn

import epochal
from epochal.callbacks import EarlyStopping, LambdaCallback
from epochal.metrics import Mean, MeanAbsoluteError

X = torch.arange(12.0).reshape(6, 2)
Y = X.sum(1, keepdim=True)


class Base(epochal.Model):
    def __init__(self):
        super().__init__()
        self.layer = nn.Linear(2, 1)

    def forward(self, x):
        return self.layer(x)


class KerasStyle(Base):
    """The step of Keras' own guide, with the torch calls in it."""

    def __init__(self):
        super().__init__()
        self.loss_tracker = Mean(name="loss")
        self.mae_metric = MeanAbsoluteError(name="mae")

    def train_step(self, data):
        x, y = data
        y_pred = self(x)
        loss = self.compute_loss(y=y, y_pred=y_pred)
        loss.backward()
        self.optimizer.step()
        self.loss_tracker.update_state(loss)
        self.mae_metric.update_state(y, y_pred)
        return {"loss": self.loss_tracker.result(), "mae": self.mae_metric.result()}

    @property
    def metrics(self):
        return [self.loss_tracker, self.mae_metric]


def test_a_keras_style_train_step_logs_running_results_and_starts_anew_each_epoch():
    model = KerasStyle()
    model.compile("sgd", "mse")
    model.optimizer.learning_rate = 0.0
    seen = []
    watcher = LambdaCallback(on_train_batch_end=lambda batch, logs: seen.append(logs["mae"]))
    history = model.fit(X, Y, batch_size=3, epochs=2, shuffle=False, verbose=0, callbacks=watcher)
    error = (model(X) - Y).abs().detach()
    whole, first = error.mean().item(), error[:3].mean().item()
    assert seen == pytest.approx([first, whole, first, whole], rel=1e-6)
    assert history.history["mae"] == pytest.approx([whole] * 2, rel=1e-6)
    assert history.history["loss"][0] == pytest.approx(history.history["loss"][1])


class Plain(Base):
    def train_step(self, data):
        x, y = data
        loss = (self(x) - y).square().mean()
        loss.backward()
        self.optimizer.step()
        return {"loss": loss, "size": float(len(x)), "note": "text"}


def test_plain_values_of_a_train_step_are_means_over_the_epoch_weighted_by_batch_size():
    model = Plain()
    model.compile("sgd")
    model.optimizer.learning_rate = 0.0
    history = model.fit(X, Y, batch_size=4, shuffle=False, verbose=0)
    with torch.no_grad():
        assert history.history["loss"] == pytest.approx([(model(X) - Y).square().mean().item()])
    assert history.history["size"] == [(4 * 4 + 2 * 2) / 6]
    assert history.history["note"] == ["text"]


def test_a_train_step_without_a_loss_or_an_optimizer_of_compile_works():
    class Own(Base):
        def __init__(self):
            super().__init__()
            self.own = torch.optim.SGD(self.layer.parameters(), lr=0.001)

        def train_step(self, data):
            x, y, weight = data
            self.own.zero_grad()
            loss = (weight[:, None] * (self(x) - y).square()).mean()
            loss.backward()
            self.own.step()
            return {"loss": loss}

    model = Own()
    model.compile(optimizer=None)
    history = model.fit(X, Y, sample_weight=torch.ones(6), epochs=5, verbose=0)
    assert history.history["loss"][-1] < history.history["loss"][0]


def test_a_monitor_that_an_own_step_never_logs_is_an_error_after_the_first_epoch():
    model = Plain()
    model.compile("sgd")
    with pytest.raises(ValueError, match="did you mean 'loss'"):
        model.fit(X, Y, verbose=0, epochs=3, callbacks=EarlyStopping(monitor="los", mode="min"))


def test_the_default_step_can_be_extended():
    calls = []

    class Extended(Base):
        def train_step(self, data):
            logs = dict(super().train_step(data))
            calls.append(logs)
            return {**logs, "twice": 2 * logs["loss"]}

    model = Extended()
    model.compile("sgd", "mse", metrics=["mae"])
    history = model.fit(X, Y, batch_size=3, verbose=0)
    assert set(history.history) == {"loss", "mae", "twice"}
    assert len(calls) == 2


def test_an_own_test_step_is_what_evaluate_and_validation_use():
    class Doubles(Base):
        def test_step(self, data):
            logs = super().test_step(data)
            return {"loss": 2 * logs["loss"]}

    model = Doubles()
    model.compile("sgd", "mse")
    model.optimizer.learning_rate = 0.0
    plain = (model(X) - Y).square().mean().item()
    assert model.evaluate(X, Y, verbose=0) == pytest.approx(2 * plain)
    history = model.fit(X, Y, validation_data=(X, Y), verbose=0)
    assert history.history["val_loss"] == pytest.approx([2 * plain])
    assert history.history["loss"] == pytest.approx([plain])


def test_an_own_predict_step_changes_what_predict_returns():
    class Rounds(Base):
        def predict_step(self, data):
            return super().predict_step(data).round()

    model = Rounds()
    assert (model.predict(X, verbose=0) % 1 == 0).all()
    assert (model.predict_on_batch(X) % 1 == 0).all()


def test_an_own_compute_loss_is_minimised_logged_and_validated():
    class Shrinks(Base):
        def compute_loss(self, x=None, y=None, y_pred=None, sample_weight=None):
            plain = super().compute_loss(x, y, y_pred, sample_weight)
            return plain + 10 * self.layer.weight.square().sum()

    model = Shrinks()
    model.compile("sgd", "mse", metrics=["mae"])
    model.optimizer.learning_rate = 0.0
    expected = (model(X) - Y).square().mean() + 10 * model.layer.weight.square().sum()
    history = model.fit(X, Y, validation_data=(X, Y), verbose=0)
    assert history.history["loss"] == pytest.approx([expected.item()])
    assert history.history["val_loss"] == pytest.approx([expected.item()])


def test_what_is_no_dict_of_logs_is_refused():
    class Wrong(Base):
        def train_step(self, data):
            return (self(data[0]) - data[1]).mean()

    model = Wrong()
    model.compile("sgd")
    with pytest.raises(TypeError, match="return a dict of logs"):
        model.fit(X, Y, verbose=0)


def test_on_batch_calls_return_the_batchs_own_values():
    model = Base()
    model.compile("sgd", "mse", metrics=["mae"])
    model.optimizer.learning_rate = 0.0
    error = (model(X) - Y).detach()
    values = [error.square().mean().item(), error.abs().mean().item()]
    assert model.train_on_batch(X, Y) == pytest.approx(values)
    assert model.test_on_batch(X, Y, return_dict=True) == pytest.approx(
        dict(zip(["loss", "mae"], values, strict=True))
    )
    assert model.predict_on_batch(X.numpy()).shape == (6, 1)
    model.compile("sgd", "mse")
    assert model.train_on_batch(X, Y, sample_weight=[1.0] * 5 + [0.0]) == pytest.approx(
        error[:5].square().sum().item() / 6
    )
    before = model.get_weights()[0]
    model.train_on_batch(X, Y)
    assert (model.get_weights()[0] != before).any()
    with pytest.raises(TypeError, match="give one batch of arrays"):
        model.train_on_batch(iter([]))
    with pytest.raises(ValueError, match="no rows"):
        model.train_on_batch(X[:0], Y[:0])


def test_without_an_optimizer_of_fits_own_no_learning_rate_is_logged():
    class Own(Base):
        def train_step(self, data):
            return {"error": (self(data[0]) - data[1]).abs().mean().detach()}

    model = Own()
    model.compile(optimizer=None)
    assert list(model.fit(X, Y, verbose=0).history) == ["error"]


class KerasLoop(Base):
    """A step that updates whatever `compile` was given, as in Keras' guide."""

    def train_step(self, data):
        x, y = data
        y_pred = self(x)
        loss = self.compute_loss(y=y, y_pred=y_pred)
        loss.backward()
        self.optimizer.step()
        for metric in self.metrics:
            metric.update_state(y, y_pred)
        return {"loss": loss, **{metric.name: metric.result() for metric in self.metrics}}


@pytest.mark.parametrize(
    ("targets", "outputs", "loss"),
    [
        ((X.sum(1, keepdim=True) > 10).float(), 1, nn.BCEWithLogitsLoss()),
        ((X.sum(1) > 10).long(), 2, nn.CrossEntropyLoss()),
        (nn.functional.one_hot((X.sum(1) > 10).long()).float(), 2, nn.CrossEntropyLoss()),
    ],
)
def test_accuracy_in_a_step_of_ones_own_is_that_of_the_outputs_though_nobody_tried_the_model(
    targets, outputs, loss
):
    model = KerasLoop()
    model.layer = nn.Linear(2, outputs)
    model.compile(epochal.optimizers.SGD(0.0), loss, metrics=["accuracy"])
    history = model.fit(X, targets, verbose=0).history
    with torch.no_grad():
        scores = model(X)
    chosen = (scores > 0.5).float() if outputs == 1 else scores.argmax(1)
    right = targets.argmax(1) if targets.shape[-1] == 2 else targets
    assert list(history) == ["loss", "accuracy"]
    assert history["accuracy"] == pytest.approx([(chosen == right).float().mean().item()])
