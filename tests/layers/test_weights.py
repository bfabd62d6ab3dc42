import numpy as np
import pytest
import torch
from torch import nn

from epochal import layers
from epochal.core.errors import UsageError

# Layers whose state_dict is that of a torch layer, and inputs for both.
LIKE_TORCH = {
    "dense": (layers.Dense(3), nn.Linear(4, 3), (2, 4)),
    "conv1d": (layers.Conv1D(3, 2), nn.Conv1d(4, 3, 2), (2, 5, 4)),
    "conv2d": (layers.Conv2D(3, 2), nn.Conv2d(4, 3, 2), (2, 5, 5, 4)),
    "conv3d": (layers.Conv3D(3, 2), nn.Conv3d(4, 3, 2), (1, 3, 3, 3, 4)),
    "transpose": (layers.Conv2DTranspose(3, 2), nn.ConvTranspose2d(4, 3, 2), (2, 5, 5, 4)),
    "depthwise": (
        layers.DepthwiseConv2D(2, depth_multiplier=2),
        nn.Conv2d(4, 8, 2, groups=4),
        (2, 5, 5, 4),
    ),
    "embedding": (layers.Embedding(5, 3), nn.Embedding(5, 3), (2, 4)),
    "layer_norm": (layers.LayerNormalization(epsilon=1e-5), nn.LayerNorm(4), (2, 5, 4)),
    "group_norm": (layers.GroupNormalization(2, epsilon=1e-5), nn.GroupNorm(2, 4), (2, 5, 5, 4)),
    "batch_norm": (
        layers.BatchNormalization(epsilon=1e-5),
        nn.BatchNorm2d(4),
        (2, 5, 5, 4),
    ),
    "lstm": (
        layers.LSTM(3, return_sequences=True),
        nn.LSTM(4, 3, batch_first=True),
        (2, 5, 4),
    ),
    "gru": (layers.GRU(3, return_sequences=True), nn.GRU(4, 3, batch_first=True), (2, 5, 4)),
}


def channels_first(x):
    return x.movedim(-1, 1)


@pytest.mark.parametrize("name", list(LIKE_TORCH))
def test_the_state_dict_is_that_of_the_torch_layer_and_means_the_same(name):
    ours, theirs, shape = LIKE_TORCH[name]
    torch.manual_seed(0)
    x = torch.randint(0, 5, shape) if name == "embedding" else torch.randn(shape)
    ours.eval()(x)
    theirs.eval()
    expected = theirs.state_dict()
    expected.pop("num_batches_tracked", None)
    assert [(k, v.shape) for k, v in ours.state_dict().items()] == [
        (k, v.shape) for k, v in expected.items()
    ]
    ours.load_state_dict(expected)
    flip = name[:4] in ("conv", "tran", "dept", "grou", "batc")
    result = theirs(channels_first(x) if flip else x)
    result = result[0] if isinstance(result, tuple) else result
    result = result.movedim(1, -1) if flip else result
    torch.testing.assert_close(ours(x), result)


@pytest.mark.parametrize("kind", [layers.LSTM, layers.GRU])
def test_a_bias_that_torch_has_twice_counts_in_full_and_is_exchanged_as_one(kind):
    theirs = {layers.LSTM: nn.LSTM, layers.GRU: nn.GRU}[kind](4, 3, batch_first=True)
    x = torch.randn(2, 5, 4)
    one, other = kind(3), kind(3)
    one(x)
    other(x)
    one.load_state_dict(theirs.state_dict())
    other.set_weights(one.get_weights())
    torch.testing.assert_close(other(x), one(x))


def test_weights_come_in_keras_order_and_layout_and_are_copies():
    layer = layers.Dense(3)
    layer(torch.ones(1, 2))
    kernel, bias = layer.get_weights()
    assert (kernel.shape, bias.shape) == ((2, 3), (3,))
    kernel[:] = 7.0
    assert not (layer.weight == 7).any()


def test_set_weights_takes_lists_and_other_dtypes():
    layer = layers.Dense(2)
    layer(torch.ones(1, 1))
    layer.set_weights([[[1, 2]], np.array([3.0, 4.0])])
    assert layer(torch.ones(1, 1)).tolist() == [[4.0, 6.0]]


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        ([np.zeros((2, 3))], r"got 1 arrays; expected 2: kernel \(2, 3\), bias \(3,\)"),
        ([np.zeros((3, 2)), np.zeros(3)], r"kernel: got shape \(3, 2\); expected \(2, 3\)"),
        ([np.zeros((2, 3)), np.zeros(4)], r"bias: got shape \(4,\)"),
        ([np.zeros((3, 2)), np.zeros(4)], "2 problems"),
    ],
)
def test_wrong_weights_are_refused_and_change_nothing(arrays, message):
    layer = layers.Dense(3)
    layer(torch.ones(1, 2))
    before = [w.copy() for w in layer.get_weights()]
    with pytest.raises(UsageError, match=message):
        layer.set_weights(arrays)
    for old, new in zip(before, layer.get_weights(), strict=True):
        np.testing.assert_array_equal(old, new)


def test_an_unbuilt_layer_has_no_weights_to_set_or_count():
    layer = layers.Dense(3)
    assert layer.get_weights() == []
    with pytest.raises(UsageError, match="no weights yet"):
        layer.set_weights([])
    with pytest.raises(UsageError, match="no weights yet"):
        layer.count_params()


def test_a_layer_that_never_has_weights_counts_none():
    layer = layers.Flatten()
    layer.set_weights([])
    assert layer.count_params() == 0


def test_a_tree_of_modules_lists_each_weight_once_with_its_path():
    shared = layers.Dense(2)
    tree = nn.Sequential(shared, nn.Linear(2, 2), shared, nn.BatchNorm1d(2), layers.LSTM(1))
    tree[0](torch.ones(1, 2))
    tree[4](torch.ones(1, 2, 3))
    assert [w.path for w in layers.named_weights(tree)] == [
        "0/kernel",
        "0/bias",
        "1/weight",
        "1/bias",
        "3/weight",
        "3/bias",
        "3/running_mean",
        "3/running_var",
        "3/num_batches_tracked",
        "4/cell/kernel",
        "4/cell/recurrent_kernel",
        "4/cell/bias",
    ]


def test_tied_weights_are_listed_once():
    first, second = nn.Linear(2, 2), nn.Linear(2, 2)
    second.weight = first.weight
    tree = nn.Sequential(first, second)
    assert [w.path for w in layers.named_weights(tree)] == ["0/weight", "0/bias", "1/bias"]


def test_the_weights_of_any_module_can_be_read_and_written():
    tree = nn.Sequential(nn.Linear(2, 3), nn.BatchNorm1d(3))
    arrays = layers.get_arrays(tree)
    layers.set_arrays(tree, [array * 0 + 1 for array in arrays], "test")
    assert all((array == 1).all() for array in layers.get_arrays(tree))


def test_bfloat16_weights_are_read_as_float32():
    layer = layers.Dense(2, dtype="bfloat16", kernel_initializer="ones")
    layer(torch.ones(1, 2, dtype=torch.bfloat16))
    kernel, _ = layer.get_weights()
    assert kernel.dtype == np.float32
    assert (kernel == 1).all()


def test_frozen_weights_are_listed_as_not_trained():
    layer = layers.BatchNormalization(trainable=False)
    layer(torch.ones(2, 2))
    assert [w.trainable for w in layers.named_weights(layer)] == [False] * 4


def test_attention_draws_its_kernels_with_the_fans_of_the_whole_projection():
    layer = layers.MultiHeadAttention(8, 64)
    layer(torch.ones(1, 4, 32))
    limit = (6 / (32 + 8 * 64)) ** 0.5
    for weight in (layer.q_proj_weight, layer.out_proj_weight):
        assert 0.99 * limit < weight.abs().max().item() <= limit


def test_an_lstm_begins_with_an_orthogonal_recurrent_kernel_and_an_open_forget_gate():
    layer = layers.LSTM(3)
    layer(torch.ones(1, 2, 4))
    kernel, recurrent, bias = (torch.from_numpy(w) for w in layer.get_weights())
    assert kernel.abs().max() <= (6 / (4 + 12)) ** 0.5
    torch.testing.assert_close(recurrent @ recurrent.T, torch.eye(3), atol=1e-5, rtol=0)
    assert bias.tolist() == [0.0] * 3 + [1.0] * 3 + [0.0] * 6
    closed = layers.LSTM(3, unit_forget_bias=False)
    closed(torch.ones(1, 2, 4))
    assert not closed.get_weights()[2].any()


def test_an_embedding_begins_uniform_within_a_twentieth():
    layer = layers.Embedding(100, 50)
    layer(torch.tensor([0]))
    assert 0.049 < layer.weight.abs().max().item() <= 0.05
