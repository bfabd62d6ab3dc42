"""An input that a layer cannot take is one error: the layer, what came, what fits."""

import pytest
import torch

from epochal import layers
from epochal.core.errors import UsageError


def built(layer, *shape):
    layer(torch.zeros(shape))
    return layer


UNBUILT = {
    "repeat_rank": (lambda: layers.RepeatVector(3), (4, 5, 6), "2 axes"),
    "distributed_rank": (lambda: layers.TimeDistributed(layers.Flatten()), (4, 5), "3 axes"),
    "dense_vector": (lambda: layers.Dense(3), (4,), "at least 2 axes"),
    "conv1d_rank": (lambda: layers.Conv1D(3, 2), (4, 5), "3 axes"),
    "conv2d_rank": (lambda: layers.Conv2D(3, 2), (4, 5, 5), "4 axes"),
    "conv2d_kernel": (lambda: layers.Conv2D(3, 6), (4, 5, 5, 1), r"at least \(6, 6\)"),
    "conv2d_dilated_kernel": (
        lambda: layers.Conv2D(3, 3, dilation_rate=3),
        (4, 5, 5, 1),
        r"at least \(7, 7\)",
    ),
    "conv2d_groups": (lambda: layers.Conv2D(4, 2, groups=2), (1, 5, 5, 3), "multiple of groups=2"),
    "transpose_rank": (lambda: layers.Conv2DTranspose(3, 2), (4, 5), "4 axes"),
    "depthwise_rank": (lambda: layers.DepthwiseConv2D(2), (4, 5), "4 axes"),
    "separable_kernel": (lambda: layers.SeparableConv2D(2, 9), (1, 5, 5, 2), "at least"),
    "pooling_rank": (lambda: layers.MaxPooling2D(), (4, 5, 5), "4 axes"),
    "pooling_window": (lambda: layers.AveragePooling2D(6), (1, 5, 5, 2), r"at least \(6, 6\)"),
    "global_rank": (lambda: layers.GlobalAveragePooling2D(), (4, 5, 5), "4 axes"),
    "batch_norm_rank": (lambda: layers.BatchNormalization(), (4,), "at least 2 axes"),
    "layer_norm_axis": (lambda: layers.LayerNormalization(axis=3), (4, 5), "axis=3"),
    "group_norm_groups": (lambda: layers.GroupNormalization(4), (1, 5, 6), "multiple of groups=4"),
    "lstm_rank": (lambda: layers.LSTM(3), (4, 5), "3 axes"),
    "gru_rank": (lambda: layers.GRU(3), (4, 5, 6, 7), "3 axes"),
    "bidirectional_rank": (lambda: layers.Bidirectional(layers.GRU(3)), (4, 5), "3 axes"),
    "attention_rank": (lambda: layers.MultiHeadAttention(2, 3), (4, 5), "3 axes"),
    "prelu_rank": (lambda: layers.PReLU(), (4,), "at least 2 axes"),
    "reshape": (lambda: layers.Reshape((4,)), (2, 5), r"shape \(5,\), 5 values"),
    "permute": (lambda: layers.Permute((2, 1)), (2, 5), "3 axes"),
    "zero_padding": (lambda: layers.ZeroPadding2D(), (2, 5), "4 axes"),
    "up_sampling": (lambda: layers.UpSampling2D(), (2, 5, 5), "4 axes"),
    "spatial_dropout": (lambda: layers.SpatialDropout2D(0.5), (2, 5, 5), "4 axes"),
    "dropout_noise": (
        lambda: layers.Dropout(0.5, noise_shape=(None, 1, 3)),
        (2, 3),
        "as many axes",
    ),
}


@pytest.mark.parametrize("name", list(UNBUILT))
def test_the_first_input_is_checked_against_what_the_layer_takes(name):
    make, shape, message = UNBUILT[name]
    layer = make()
    with pytest.raises(UsageError, match=f"{type(layer).__name__}: .*{message}"):
        layer(torch.zeros(shape))


@pytest.mark.parametrize(
    ("layer", "first", "later", "message"),
    [
        (layers.Dense(3), (2, 4), (2, 5), "axis -1 of size 4"),
        (layers.Conv1D(3, 2), (2, 5, 4), (2, 5, 3), "axis -1 of size 4"),
        (layers.Conv2D(3, 2), (2, 5, 5, 4), (2, 5, 5, 3), "axis -1 of size 4"),
        (layers.Conv2D(3, 3), (2, 5, 5, 4), (2, 2, 2, 4), r"at least \(3, 3\)"),
        (layers.Conv2D(3, 3), (2, 5, 5, 4), (5, 5, 4), "4 axes"),
        (
            layers.Conv2D(3, 2, data_format="channels_first"),
            (2, 4, 5, 5),
            (2, 3, 5, 5),
            "axis 1 of size 4",
        ),
        (layers.Conv3D(3, 1), (1, 2, 2, 2, 4), (1, 2, 2, 2, 3), "axis -1 of size 4"),
        (layers.Conv2DTranspose(3, 2), (2, 5, 5, 4), (2, 5, 5, 3), "axis -1 of size 4"),
        (layers.DepthwiseConv2D(2), (2, 5, 5, 4), (2, 5, 5, 3), "axis -1 of size 4"),
        (layers.SeparableConv2D(3, 2), (2, 5, 5, 4), (2, 5, 5, 3), "axis -1 of size 4"),
        (layers.BatchNormalization(), (2, 5, 4), (2, 5, 3), "axis -1 of size 4"),
        (layers.LayerNormalization(), (2, 5, 4), (2, 5, 3), "axis -1 of size 4"),
        (layers.LayerNormalization(axis=1), (2, 5, 4), (2, 4, 4), "axis 1 of size 5"),
        (layers.LayerNormalization(axis=1), (2, 5, 4), (2,), "an axis 1|at least"),
        (layers.GroupNormalization(2), (2, 5, 4), (2, 5, 6), "axis -1 of size 4"),
        (layers.LSTM(3), (2, 5, 4), (2, 5, 3), "axis -1 of size 4"),
        (layers.LSTM(3), (2, 5, 4), (5, 4), "3 axes"),
        (layers.GRU(3, activation="relu"), (2, 5, 4), (2, 5, 3), "axis -1 of size 4"),
        (layers.MultiHeadAttention(2, 3), (2, 5, 4), (2, 5, 3), "axis -1 of size 4"),
        (layers.PReLU(), (2, 5), (2, 4), "axis 1 of size 5"),
        (layers.MaxPooling2D(), (1, 4, 4, 1), (1, 1, 4, 1), r"at least \(2, 2\)"),
    ],
)
def test_a_built_layer_says_what_it_was_built_for(layer, first, later, message):
    with pytest.raises(UsageError, match=message):
        built(layer, *first)(torch.zeros(later))


def test_integers_where_floats_are_needed_are_named():
    layer = built(layers.Dense(3), 2, 4)
    with pytest.raises(UsageError, match=r"got torch.int64 values; expected torch.float32"):
        layer(torch.zeros(2, 4, dtype=torch.int64))


def test_what_only_torch_can_explain_stays_torchs_error():
    layer = built(layers.Dense(3), 2, 4)
    layer.bias = torch.nn.Parameter(torch.zeros(5))
    with pytest.raises(RuntimeError, match="size"):
        layer(torch.zeros(2, 4))


@pytest.mark.parametrize(
    ("layer", "first"),
    [
        (layers.Conv2D(3, 2), (2, 5, 5, 4)),
        (layers.Conv2DTranspose(3, 2), (2, 5, 5, 4)),
        (layers.DepthwiseConv2D(2), (2, 5, 5, 4)),
        (layers.SeparableConv2D(3, 2), (2, 5, 5, 4)),
        (layers.BatchNormalization(), (2, 4)),
        (layers.LayerNormalization(), (2, 4)),
        (layers.GroupNormalization(2), (2, 4)),
        (layers.GRU(3, activation="relu"), (2, 5, 4)),
        (layers.MultiHeadAttention(2, 3), (2, 5, 4)),
        (layers.PReLU(), (2, 4)),
    ],
)
def test_a_damaged_weight_is_torchs_error_in_every_layer(layer, first):
    built(layer, *first)
    name = next(iter(dict(layer.named_parameters())))
    setattr(layer, name, torch.nn.Parameter(torch.zeros(9, 9, 9)))
    with pytest.raises(RuntimeError):
        layer(torch.zeros(first))


@pytest.mark.parametrize(
    "make",
    [
        lambda: layers.Dense(3),
        lambda: layers.Conv2D(3, 2),
        lambda: layers.LSTM(3),
        lambda: layers.BatchNormalization(),
    ],
)
def test_a_size_that_the_weights_need_must_be_known(make):
    layer = make()
    rank = layer.input_spec.ndim or 2
    with pytest.raises(UsageError, match="expected a number for axis -1"):
        layer.build((None,) * rank)


def test_an_embedding_names_the_integers_that_are_out_of_range():
    layer = layers.Embedding(3, 2)
    layer(torch.tensor([[0, 2]]))
    for bad in ([0, 3], [-1, 0]):
        with pytest.raises(UsageError, match=r"expected 0 to 2, because input_dim is 3"):
            layer(torch.tensor([bad]))


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: layers.Conv2D(3, 0), "kernel_size=0; expected an integer of 1 or more or 2"),
        (lambda: layers.Conv2D(3, (2, 2, 2)), "kernel_size"),
        (lambda: layers.Conv2D(3, 2.0), "kernel_size"),
        (lambda: layers.Conv2D(3, 2, padding="sme"), "expected one of valid, same"),
        (lambda: layers.Conv2D(3, 2, padding="causal"), "expected one of valid, same"),
        (lambda: layers.Conv2D(3, 2, data_format="NHWC"), "channels_last, channels_first"),
        (lambda: layers.Conv2D(3, 2, strides=2, dilation_rate=2), "one of them to be 1"),
        (lambda: layers.Conv2D(3, 2, groups=2), "expected a multiple"),
        (lambda: layers.Conv2DTranspose(3, 2, output_padding=1), "less than strides"),
        (lambda: layers.MaxPooling2D(padding="causal"), "expected one of valid, same"),
        (lambda: layers.Dropout(1.5), "a number from 0 to 1"),
        (lambda: layers.Dropout("0.5"), "a number from 0 to 1"),
        (lambda: layers.SpatialDropout2D(-0.1), "a number from 0 to 1"),
        (lambda: layers.GaussianNoise(-1.0), "expected 0 or more"),
        (lambda: layers.LeakyReLU(-0.1), "expected 0 or more"),
        (lambda: layers.LeakyReLU(alpha=0.1), "unknown argument 'alpha'"),
        (lambda: layers.ReLU(max_value=-1.0), "expected numbers of 0 or more"),
        (lambda: layers.Reshape((-1, -1)), "at most one -1"),
        (lambda: layers.Permute((0, 1)), "expected each of 1 to 2 once"),
        (lambda: layers.ZeroPadding2D((1, 1, 1)), "a number, two, or two pairs"),
        (lambda: layers.UpSampling2D(interpolation="bicubic"), "nearest, bilinear"),
        (lambda: layers.BatchNormalization(axis=0), "axis=0, the batch"),
        (lambda: layers.BatchNormalization(renorm=True), "renorm=True is not supported"),
        (lambda: layers.BatchNormalization(synchronized=True), "SyncBatchNorm"),
        (lambda: layers.Embedding(5, 2, mask_zero=True), "mask_zero=True is not supported"),
        (lambda: layers.Embedding(5, 2, input_length=3), "follows from the data; leave it out"),
        (lambda: layers.Embedding(0, 2), "input_dim=0"),
        (lambda: layers.RepeatVector(0), "n=0"),
        (lambda: layers.TimeDistributed(torch.nn.Linear(1, 1)), "expected a layer"),
        (lambda: layers.LSTM(3, stateful=True), "initial_state"),
        (lambda: layers.LSTM(3, dropout=2.0), "a number from 0 to 1"),
        (lambda: layers.GRU(3, unroll=True), "leave it out"),
        (lambda: layers.Bidirectional(layers.GRU(3), merge_mode="cat"), "expected one of"),
        (lambda: layers.Bidirectional(layers.Dense(3)), "expected an LSTM or a GRU"),
        (
            lambda: layers.Bidirectional(layers.GRU(3), backward_layer=layers.GRU(3)),
            "go_backwards in one",
        ),
        (
            lambda: layers.Bidirectional(
                layers.GRU(3),
                backward_layer=layers.GRU(3, go_backwards=True, return_sequences=True),
            ),
            "the same return_sequences",
        ),
        (lambda: layers.MultiHeadAttention(2, 3, attention_axes=(1, 2)), "attention_axes"),
        (lambda: layers.MultiHeadAttention(2, 3, output_shape=(4, 5)), "output_shape"),
        (lambda: layers.Lambda(3), "expected a callable"),
        (lambda: layers.Input(), "give one of shape and batch_shape"),
        (lambda: layers.Input((2,), batch_shape=(None, 2)), "give one of shape and batch_shape"),
        (lambda: layers.Input(shap=(2,)), "did you mean 'shape'"),
    ],
)
def test_a_wrong_argument_is_one_clear_error(call, message):
    with pytest.raises(UsageError, match=message):
        call()


def test_a_softmax_of_one_unit_is_warned_of_because_it_is_always_one():
    with pytest.warns(UserWarning, match=r"softmax of a single unit is 1.*sigmoid"):
        layer = layers.Dense(1, activation="softmax")
    assert (layer(torch.rand(3, 2)) == 1).all()
