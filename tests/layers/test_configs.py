import json

import pytest
import torch
from torch import nn

from epochal import layers
from epochal.core.errors import UsageError
from epochal.core.names import snake_case
from epochal.layers import Layer


def test_every_layer_is_found_by_its_class_name_and_its_snake_case():
    kinds = [getattr(layers, name) for name in layers.__all__]
    kinds = [k for k in kinds if isinstance(k, type) and issubclass(k, Layer) and k is not Layer]
    assert len(set(kinds)) == 52
    for name, kind in ((n, getattr(layers, n)) for n in layers.__all__):
        if kind in kinds:
            for known_as in (name, snake_case(kind.__name__)):
                # Found, and then refused by its own constructor.
                with pytest.raises(TypeError, match="argument"):
                    layers.deserialize({"class_name": known_as, "config": {"nonsense": 1}})


def test_names_classes_configs_and_instances_stand_for_layers():
    layer = layers.Flatten()
    assert layers.get(layer) is layer
    assert isinstance(layers.get("MaxPool2D"), layers.MaxPooling2D)
    assert isinstance(layers.get(layers.Softmax), layers.Softmax)
    assert layers.get({"class_name": "ReLU"}).max_value is None


@pytest.mark.parametrize(
    ("thing", "message"),
    [("Dens", "did you mean 'dense'"), (3, "expected a layer"), (nn.ReLU(), "expected a layer")],
)
def test_what_is_no_layer_is_refused(thing, message):
    with pytest.raises(UsageError, match=message):
        layers.get(thing)


def test_a_config_holds_every_argument_under_its_own_name():
    layer = layers.Dense(
        3,
        "relu",
        kernel_regularizer="l2",
        bias_constraint="non_neg",
        activity_regularizer="l1",
        name="head",
        trainable=False,
        input_shape=(None, 2),
    )
    config = json.loads(json.dumps(layer.get_config()))
    assert config["activation"] == "relu"
    assert config["kernel_regularizer"] == {"class_name": "L2", "config": {"l2": 0.01}}
    assert config["input_shape"] == [None, 2]
    again = layers.Dense.from_config(config)
    assert again.get_config() == layer.get_config()
    assert (again.name, again.trainable, again.input_shape) == ("head", False, (None, 2))


def test_a_layer_as_activation_is_trained_and_saved():
    layer = layers.Dense(3, activation=layers.PReLU())
    x = torch.randn(2, 4)
    layer(x)
    assert "activation.weight" in layer.state_dict()
    again = layers.deserialize(json.loads(json.dumps(layers.serialize(layer))))
    again(x)
    again.set_weights(layer.get_weights())
    torch.testing.assert_close(again(x), layer(x))


@pytest.mark.parametrize(
    "make",
    [
        lambda: layers.Dense(3, activation=lambda x: x),
        lambda: layers.Activation(nn.ReLU()),
        lambda: layers.Dense(3, kernel_initializer=lambda shape, dtype: 0),
        lambda: layers.Dense(3, kernel_regularizer=torch.sum),
    ],
)
def test_a_function_without_a_name_cannot_be_saved(make):
    with pytest.raises(UsageError, match="no name to be saved under"):
        make().get_config()


def test_a_lambda_computes_but_is_never_saved():
    layer = layers.Lambda(lambda x, by: x * by, arguments={"by": 3})
    assert layer(torch.ones(2)).tolist() == [3.0, 3.0]
    with pytest.raises(UsageError, match="files hold no code"):
        layers.serialize(layer)


class Kept(Layer):
    def __init__(self, units, **keywords):
        super().__init__(**keywords)
        self.units = units


class Lost(Layer):
    def __init__(self, units, **keywords):
        super().__init__(**keywords)
        self.dense = layers.Dense(units)


class Overridden(Lost):
    def get_config(self):
        return {**super().get_config(), "units": self.dense.units}


def test_a_layer_of_ones_own_is_saved_by_the_arguments_it_keeps():
    config = layers.serialize(Kept(3, name="mine"))
    again = layers.deserialize(config, custom_objects={"Kept": Kept})
    assert (again.units, again.name) == (3, "mine")
    with pytest.raises(UsageError, match="unknown layer 'Kept'"):
        layers.deserialize(config)


def test_an_argument_that_was_not_kept_is_named():
    with pytest.raises(UsageError, match=r"self\.units = units"):
        Lost(3).get_config()


def test_a_config_written_by_hand_replaces_keeping():
    assert Overridden.from_config(Overridden(3).get_config()).dense.units == 3


# Inputs.


def test_an_input_carries_shape_dtype_and_name():
    layer = layers.Input((28, 28, 1), batch_size=4, dtype="uint8", name="image")
    assert isinstance(layer, layers.InputLayer)
    assert (layer.shape, layer.batch_shape) == ((28, 28, 1), (4, 28, 28, 1))
    assert (layer.dtype, layer.name) == ("uint8", "image")
    x = torch.zeros(1, 28, 28, 1)
    assert layer(x) is x


def test_an_input_survives_its_config_and_keras_own():
    layer = layers.Input(batch_shape=(None, 3))
    assert layers.deserialize(layers.serialize(layer)).shape == (3,)
    keras = {"batch_shape": [None, 3], "dtype": "float32", "sparse": False, "name": "input_layer"}
    assert layers.InputLayer.from_config({**keras, "ragged": False, "optional": False}).shape == (
        3,
    )
    with pytest.raises(UsageError, match="sparse"):
        layers.InputLayer.from_config({**keras, "sparse": True})


def test_an_input_may_be_one_number_per_sample():
    assert layers.Input(()).shape == ()


# Shapes.


class Looks(Layer):
    """Looks at its values, which the meta device has none of."""

    def build(self, input_shape):
        self.w = self.add_weight((input_shape[-1], 2), name="w")
        super().build(input_shape)

    def forward(self, inputs):
        return torch.as_tensor(inputs.numpy()) @ self.w


def test_shapes_of_a_layer_that_looks_at_values_are_found_on_zeros_and_leave_no_trace():
    layer = Looks()
    before = torch.get_rng_state()
    assert layer.compute_output_shape((None, 3)) == (None, 2)
    assert not layer.built
    assert torch.equal(torch.get_rng_state(), before)


def test_inferring_a_shape_leaves_the_layer_and_its_averages_as_they_were():
    layer = layers.BatchNormalization()
    assert layer.compute_output_shape((None, 7, 3)) == (None, 7, 3)
    assert not layer.built
    layer(torch.randn(4, 3))
    before = layer.running_mean.clone()
    layer.compute_output_shape((8, 3))
    assert torch.equal(layer.running_mean, before)
    assert layer.training


def test_unknown_sizes_stay_unknown_and_known_ones_follow():
    assert layers.Conv2D(8, 3, strides=2).compute_output_shape((None, None, 9, 3)) == (
        None,
        None,
        4,
        8,
    )
    assert layers.Flatten().compute_output_shape((None, None, 4)) == (None, None)
    assert layers.Embedding(5, 3).compute_output_shape((None, 7)) == (None, 7, 3)
    assert layers.Dense(3).compute_output_shape((6, 2)) == (6, 3)


def test_a_shape_that_does_not_fit_is_the_layers_own_error():
    with pytest.raises(UsageError, match="Conv2D: got input of shape"):
        layers.Conv2D(8, 3).compute_output_shape((None, 2, 2, 3))


def test_what_is_no_shape_is_refused():
    with pytest.raises(UsageError, match="as a shape"):
        layers.Dense(3).compute_output_shape("three")


def test_an_input_spec_bounds_the_number_of_axes():
    spec = layers.InputSpec(min_ndim=2, max_ndim=3)
    assert spec.problem((1,)) == "at least 2 axes, the batch axis included"
    assert spec.problem((1, 2, 3, 4)) == "at most 3 axes, the batch axis included"
    assert spec.problem((None, 2)) is None


# Small layers.


def test_an_embedding_takes_any_kind_of_number():
    layer = layers.Embedding(5, 3)
    expected = layer(torch.tensor([1, 4]))
    for dtype in (torch.int32, torch.uint8, torch.float32):
        assert torch.equal(layer(torch.tensor([1, 4], dtype=dtype)), expected)


def test_an_embedding_begins_with_pretrained_vectors():
    from epochal.initializers import Constant

    layer = layers.Embedding(2, 3, embeddings_initializer=Constant([[1, 2, 3], [4, 5, 6]]))
    assert layer(torch.tensor([1])).tolist() == [[4.0, 5.0, 6.0]]
    again = layers.deserialize(json.loads(json.dumps(layers.serialize(layer))))
    assert again(torch.tensor([0])).tolist() == [[1.0, 2.0, 3.0]]


def test_rescaling_makes_floats_of_bytes():
    y = layers.Rescaling(1 / 255)(torch.tensor([0, 255], dtype=torch.uint8))
    assert y.dtype == torch.float32
    assert y.tolist() == [0.0, 1.0]


def test_zero_padding_takes_a_number_two_numbers_and_two_pairs():
    x = torch.ones(1, 2, 2, 1)
    assert layers.ZeroPadding2D(1)(x).shape == (1, 4, 4, 1)
    assert layers.ZeroPadding2D((1, 2))(x).shape == (1, 4, 6, 1)
    first = layers.ZeroPadding2D(((1, 0), (0, 2)), data_format="channels_first")
    assert first(x.movedim(-1, 1)).shape == (1, 1, 3, 4)


def test_up_sampling_takes_channels_first():
    x = torch.randn(1, 3, 2, 2)
    last = layers.UpSampling2D((2, 3))(x.movedim(1, -1)).movedim(-1, 1)
    assert torch.equal(layers.UpSampling2D((2, 3), data_format="channels_first")(x), last)
