import numpy as np
import pytest
import torch

import epochal
from epochal import layers
from epochal.core.errors import UsageError

A, B = torch.tensor([[1.0, 5.0], [2.0, 2.0]]), torch.tensor([[3.0, 4.0], [0.0, 6.0]])


@pytest.mark.parametrize(
    ("layer", "expected"),
    [
        (layers.Add(), A + B),
        (layers.Subtract(), A - B),
        (layers.Multiply(), A * B),
        (layers.Average(), (A + B) / 2),
        (layers.Maximum(), torch.maximum(A, B)),
        (layers.Minimum(), torch.minimum(A, B)),
        (layers.Concatenate(), torch.cat((A, B), 1)),
        (layers.Concatenate(axis=0), torch.cat((A, B), 0)),
        (layers.Dot(1), (A * B).sum(1, keepdim=True)),
        (layers.Dot((-1, 1), normalize=True), torch.cosine_similarity(A, B)[:, None]),
    ],
)
def test_two_tensors_become_one(layer, expected):
    torch.testing.assert_close(layer([A, B]), expected)
    again = layers.deserialize(layers.serialize(layer))
    torch.testing.assert_close(again((A, B)), expected)
    shapes = [(None, 2), (None, 2)]
    if layer.get_config().get("axis") != 0:
        assert layer.compute_output_shape(shapes) == (None, *expected.shape[1:])


def test_tensors_of_fewer_axes_are_broadcast_behind_the_batch():
    wide, flat = torch.randn(4, 3, 5), torch.randn(4, 5)
    torch.testing.assert_close(layers.Add()([wide, flat, wide]), 2 * wide + flat[:, None])
    torch.testing.assert_close(layers.Add()([flat, wide]), wide + flat[:, None])


def test_dot_keeps_the_other_axes_of_both():
    first, second = torch.randn(4, 3, 5, 6), torch.randn(4, 5, 2)
    result = layers.Dot((2, 1))([first, second])
    torch.testing.assert_close(result, torch.einsum("bijk,bjl->bikl", first, second))


@pytest.mark.parametrize(
    ("call", "match"),
    [
        (lambda: layers.Add()(A), "call it on a list of tensors"),
        (lambda: layers.Add()([]), "call it on a list of tensors"),
        (lambda: layers.Subtract()([A, A, A]), "got 3 tensors; expected 2"),
        (lambda: layers.Dot(1)([A]), "got 1 tensors; expected 2"),
        (lambda: layers.Dot((1, 2, 3)), "expected one or two"),
        (lambda: layers.Dot(0), "none 0"),
    ],
)
def test_what_cannot_be_merged_is_refused(call, match):
    with pytest.raises(UsageError, match=match):
        call()


def test_a_residual_block_in_a_model_of_ones_own_is_trained():
    class Residual(epochal.Model):
        def __init__(self):
            super().__init__()
            self.inner, self.join, self.head = layers.Dense(3), layers.Add(), layers.Dense(1)

        def call(self, x):
            return self.head(self.join([x, self.inner(x)]))

    model = Residual()
    model.compile("sgd", "mse")
    x = np.ones((8, 3), "float32")
    history = model.fit(x, x[:, :1] * 2, epochs=3, verbose=0)
    assert history.history["loss"][-1] < history.history["loss"][0]
