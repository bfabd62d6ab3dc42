import pytest
import torch

from epochal import activations, layers

KINDS = [layers.LSTM, layers.GRU]
X = torch.linspace(-1, 1, 2 * 5 * 3).reshape(2, 5, 3)


def pair(kind, **arguments):
    """Return a layer on torch's fused kernel, and the same one that goes step by step."""
    fused = kind(4, **arguments)
    stepwise = kind(4, activation=lambda x: torch.tanh(x), **arguments)
    fused(X)
    stepwise(X)
    stepwise.set_weights(fused.get_weights())
    return fused, stepwise


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("use_bias", [True, False])
@pytest.mark.parametrize("go_backwards", [True, False])
def test_step_by_step_is_what_the_fused_kernel_computes(kind, use_bias, go_backwards):
    fused, stepwise = pair(
        kind,
        use_bias=use_bias,
        go_backwards=go_backwards,
        return_sequences=True,
        return_state=True,
    )
    states = [torch.full((2, 4), 0.1 * (i + 1)) for i in range(fused.state_count)]
    for one, other in zip(fused(X, states), stepwise(X, states), strict=True):
        torch.testing.assert_close(one, other)


@pytest.mark.parametrize("kind", KINDS)
def test_a_sequence_in_two_halves_with_its_states_is_the_whole_sequence(kind):
    layer = kind(4, return_sequences=True, return_state=True)
    whole, *last = layer(X)
    first, *states = layer(X[:, :2])
    second, *end = layer(X[:, 2:], initial_state=states)
    torch.testing.assert_close(torch.cat((first, second), 1), whole)
    for one, other in zip(last, end, strict=True):
        torch.testing.assert_close(one, other)


def test_one_state_may_be_given_as_a_tensor():
    layer = layers.GRU(4)
    state = torch.ones(2, 4)
    torch.testing.assert_close(layer(X, state), layer(X, [state]))


def test_a_state_of_another_shape_is_an_error():
    with pytest.raises(ValueError, match=r"expected 2 of shape \(2, 4\)"):
        layers.LSTM(4)(X, torch.ones(2, 4))
    with pytest.raises(ValueError, match=r"expected 1 of shape \(2, 4\)"):
        layers.GRU(4)(X, torch.ones(3, 4))


@pytest.mark.parametrize("kind", KINDS)
def test_input_dropout_acts_in_training_and_drops_a_feature_at_all_steps(kind):
    layer = kind(4, dropout=0.5, seed=1)
    layer(X)
    seen = []
    layer.run_fused = lambda x, states: seen.append(x) or kind.run_fused(layer, x, states)
    layer.train()(torch.ones(6, 5, 3))
    layer.eval()(torch.ones(6, 5, 3))
    in_training, in_test = seen
    assert torch.equal(in_training, in_training[:, :1].expand_as(in_training))
    assert set(in_training.unique().tolist()) == {0.0, 2.0}
    assert in_test.unique().tolist() == [1.0]


@pytest.mark.parametrize("kind", KINDS)
def test_recurrent_dropout_acts_in_training_only(kind):
    plain, dropping = kind(4), kind(4, recurrent_dropout=0.5, seed=1)
    plain(X)
    dropping(X)
    dropping.set_weights(plain.get_weights())
    torch.testing.assert_close(dropping.eval()(X), plain.eval()(X))
    trained = dropping.train()(X)
    assert not torch.allclose(trained, plain(X))
    assert not torch.equal(trained, dropping(X))


def test_dropping_all_of_the_recurrent_state_leaves_the_input_alone():
    layer = layers.GRU(4, recurrent_dropout=1.0, use_bias=False)
    layer(X)
    alone = layers.GRU(4, use_bias=False, recurrent_initializer="zeros", activation=torch.tanh)
    alone(X)
    alone.set_weights([layer.get_weights()[0], alone.get_weights()[1]])
    torch.testing.assert_close(layer(X), alone(X))


@pytest.mark.parametrize("kind", KINDS)
def test_the_default_activations_are_fused(kind):
    called = []

    class Watched(kind):
        def step(self, *args):
            called.append(1)
            return super().step(*args)

    Watched(4)(X)
    assert not called
    Watched(4, activation="tanh", recurrent_activation=activations.sigmoid)(X)
    assert not called
    Watched(4, activation="relu")(X)
    assert called


def test_the_order_without_reset_after_is_that_of_the_first_paper():
    layer = layers.GRU(4, reset_after=False)
    layer(X)
    assert [w.shape for w in layer.get_weights()] == [(3, 12), (4, 12), (12,)]
    assert not layer.bias_hh_l0.requires_grad


def test_both_directions_have_weights_of_their_own_and_the_same_arguments():
    layer = layers.Bidirectional(layers.LSTM(4, return_sequences=True, name="read"))
    y = layer(X)
    assert y.shape == (2, 5, 8)
    assert [layer.forward_layer.name, layer.backward_layer.name] == [
        "forward_read",
        "backward_read",
    ]
    assert layer.backward_layer.go_backwards
    expected = layer.backward_layer(X).flip(1)
    torch.testing.assert_close(y[..., 4:], expected)
    assert [w.path for w in layers.named_weights(layer)][3] == "backward_layer/cell/kernel"


def test_a_backward_layer_may_differ():
    layer = layers.Bidirectional(
        layers.LSTM(4), backward_layer=layers.GRU(2, go_backwards=True), merge_mode=None
    )
    first, second = layer(X)
    assert (first.shape, second.shape) == ((2, 4), (2, 2))


def test_states_of_both_directions_are_given_and_returned():
    layer = layers.Bidirectional(layers.LSTM(4, return_state=True))
    states = [torch.full((2, 4), 0.1 * i) for i in range(4)]
    merged, *last = layer(X, initial_state=states)
    assert merged.shape == (2, 8)
    assert len(last) == 4
    torch.testing.assert_close(merged, torch.cat((last[0], last[2]), -1))
    assert not torch.allclose(merged, layer(X)[0])


def test_a_frozen_bidirectional_layer_freezes_both_directions():
    layer = layers.Bidirectional(layers.GRU(2), trainable=False)
    layer(X)
    assert not any(p.requires_grad for p in layer.parameters())


def test_regularizers_of_both_directions_speak_for_themselves():
    layer = layers.Bidirectional(layers.GRU(2, kernel_regularizer="l2"))
    layer(X)
    assert layer.penalty() is None
    assert layer.forward_layer.penalty() > 0
    assert layer.backward_layer.penalty() > 0


@pytest.mark.parametrize("kind", KINDS)
def test_a_layer_survives_being_moved_and_converted(kind):
    layer = kind(4)
    before = layer(X)
    torch.testing.assert_close(layer.double()(X.double()).float(), before)
