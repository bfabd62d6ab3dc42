"""Updates by gradients that are given: custom steps in Keras' words."""

import pytest
import torch
from torch import nn

import epochal
from epochal.core.errors import UsageError
from epochal.layers import Dense
from epochal.optimizers import SGD, Adam


def weights(*values):
    return [nn.Parameter(torch.tensor([value])) for value in values]


def test_the_first_gradients_give_an_optimizer_its_weights():
    a, b = weights(1.0, 2.0)
    optimizer = SGD(0.5)
    optimizer.apply([torch.ones(1), None], [a, b])
    assert (a.item(), b.item()) == (0.5, 2.0)
    optimizer.apply_gradients(zip([torch.ones(1)] * 2, [a, b], strict=True))
    assert (a.item(), b.item()) == (0.0, 1.5)
    optimizer.apply([torch.ones(1)] * 2)
    assert (a.item(), b.item(), optimizer.iterations) == (-0.5, 1.0, 3)
    assert a.grad is None


def test_gradients_that_were_not_given_change_nothing():
    a, b = weights(1.0, 2.0)
    optimizer = SGD(0.5)
    optimizer.build([("a", a), ("b", b)])
    b.grad = torch.ones(1)
    optimizer.apply([torch.ones(1)], [a])
    assert (a.item(), b.item()) == (0.5, 2.0)


def test_clipping_applies_to_given_gradients():
    (a,) = weights(1.0)
    SGD(1.0, clipvalue=0.5).apply([torch.ones(1)], [a])
    assert a.item() == 0.5


@pytest.mark.parametrize(
    ("grads", "own", "message"),
    [
        ([torch.ones(1)] * 2, 1, "2 gradients for 1 weights; give one for each"),
        ([torch.ones(1)], 0, "a weight that this optimizer does not have"),
    ],
)
def test_gradients_that_fit_no_weights_are_an_error(grads, own, message):
    a, b = weights(1.0, 2.0)
    optimizer = SGD(0.5)
    optimizer.build([("a", a)])
    with pytest.raises(UsageError, match=message):
        optimizer.apply(grads, [a if own else b])
    assert a.item() == 1.0


def test_an_optimizer_without_weights_says_so():
    with pytest.raises(UsageError, match="no weights"):
        SGD(0.5).apply([])


class Stepping(epochal.Model):
    """Keras' own pattern of a training step, on its torch backend."""

    def __init__(self):
        super().__init__()
        self.dense = Dense(1, kernel_constraint="non_neg")

    def call(self, x):
        return self.dense(x)

    def train_step(self, data):
        x, y = data
        loss = self.compute_loss(y=y, y_pred=self(x, training=True))
        self.zero_grad()
        loss.backward()
        trained = self.trainable_weights
        with torch.no_grad():
            self.optimizer.apply([weight.grad for weight in trained], trained)
        return {"loss": loss}


class Plain(epochal.Model):
    def __init__(self):
        super().__init__()
        self.dense = Dense(1, kernel_constraint="non_neg")

    def call(self, x):
        return self.dense(x)


def test_a_step_in_keras_words_trains_as_the_models_own():
    x, ended = torch.linspace(-1, 1, 24).reshape(8, 3), []
    for kind in (Stepping, Plain):
        epochal.utils.set_random_seed(0)
        model = kind()
        model.compile(Adam(0.1), "mse")
        model.fit(x, -x[:, :1], epochs=5, verbose=0)
        ended.append(model.get_weights())
    assert all((a == b).all() for a, b in zip(*ended, strict=True))
    assert (ended[0][0] >= 0).all()


def test_two_optimizers_train_two_halves_of_a_model():
    class Halves(epochal.Model):
        def __init__(self):
            super().__init__()
            self.a, self.b = Dense(1, input_dim=2), Dense(1, input_dim=2)
            self.first, self.second = SGD(0.1), Adam(0.1)

        def compile(self, first, second):
            super().compile(optimizer=None)
            self.first, self.second = first, second

        def call(self, x):
            return self.a(x) - self.b(x)

        def train_step(self, data):
            loss = (self(data[0]) - data[1]).square().mean()
            loss.backward()
            for half, optimizer in ((self.a, self.first), (self.b, self.second)):
                optimizer.apply([w.grad for w in half.trainable_weights], half.trainable_weights)
            return {"loss": loss}

    model = Halves()
    model.compile(SGD(0.1), Adam(0.05))
    x = torch.rand(16, 2)
    losses = model.fit(x, x[:, :1], epochs=15, verbose=0).history["loss"]
    assert losses[-1] < losses[0] / 4
    assert (model.first.iterations, model.second.iterations) == (15, 15)
