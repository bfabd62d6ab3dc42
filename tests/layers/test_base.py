import copy
import gc
import weakref

import pytest
import torch
from torch import nn

from epochal import layers
from epochal.core.errors import UsageError, UsageTypeError
from epochal.layers import Dense, Layer


class Scale(Layer):
    """Keras' way: `build`, `add_weight`, `call` with `training`."""

    def __init__(self, start=2.0, **kwargs):
        super().__init__(**kwargs)
        self.start = start

    def build(self, input_shape):
        self.seen = input_shape
        self.factor = self.add_weight(
            shape=(input_shape[-1],), initializer="ones", name="factor", regularizer="l2"
        )
        self.calls = self.add_weight(name="calls", trainable=False)

    def call(self, inputs, training=None):
        self.was_training = training
        return inputs * self.factor * self.start


def test_a_layer_is_built_by_its_first_call_with_the_shape_it_sees():
    layer = Scale()
    assert not layer.built
    out = layer(torch.ones(5, 3))
    assert layer.built
    assert layer.seen == (5, 3)
    assert out.tolist() == [[2.0] * 3] * 5


def test_a_built_layer_carries_no_hook():
    layer = Dense(3)
    assert len(layer._forward_pre_hooks) == 1
    layer(torch.ones(2, 2))
    assert not layer._forward_pre_hooks
    assert not layer._forward_hooks


def test_building_by_hand_is_building():
    layer = Dense(3)
    layer.build((None, 4))
    assert layer.built
    assert layer.weight.shape == (3, 4)
    assert not layer._forward_pre_hooks


def test_a_layer_that_marks_itself_built_is_not_built_twice():
    class Marked(Layer):
        def build(self, input_shape):
            self.w = self.add_weight((input_shape[-1],), name="w")
            self.built = True

        def forward(self, inputs):
            return inputs * self.w

    layer = Marked()
    layer.build((None, 3))
    layer(torch.ones(2, 3))
    assert len(layer.get_weights()) == 1


def test_building_twice_is_an_error():
    layer = Dense(3)
    layer.build((None, 4))
    with pytest.raises(UsageError, match="built already"):
        layer.build((None, 4))


def test_training_reaches_call_as_the_mode_of_the_module_or_as_passed():
    layer = Scale()
    layer(torch.ones(1, 2))
    assert layer.was_training is True
    layer.eval()(torch.ones(1, 2))
    assert layer.was_training is False
    layer(torch.ones(1, 2), training=True)
    assert layer.was_training is True


def test_a_layer_with_neither_forward_nor_call_says_what_to_write():
    with pytest.raises(UsageError, match="forward"):
        Layer()(torch.ones(1))


def test_torchs_seed_fixes_what_a_layer_draws_when_it_is_built():
    outputs = []
    for _ in range(2):
        torch.manual_seed(3)
        outputs.append(Dense(4)(torch.ones(1, 3)))
    assert torch.equal(*outputs)


def test_a_first_call_in_inference_mode_leaves_a_layer_that_can_be_trained():
    layer = layers.LSTM(3)
    with torch.inference_mode():
        layer(torch.ones(1, 2, 4))
    layer(torch.ones(1, 2, 4)).sum().backward()
    assert all(p.grad is not None for p in layer.parameters())


def test_weights_are_of_the_layers_dtype():
    layer = Dense(3, dtype="float64")
    assert layer(torch.ones(2, 2, dtype=torch.float64)).dtype == torch.float64
    assert layer.weight.dtype == torch.float64
    assert Dense(3, dtype=torch.bfloat16).dtype == "bfloat16"


def test_weights_are_made_where_the_input_is():
    layer = Dense(3)
    layer(torch.ones(2, 2, device="meta"))
    assert layer.weight.is_meta


def test_names_are_given_or_the_class_in_snake_case():
    assert Dense(1).name == "dense"
    assert layers.Conv2D(1, 1).name == "conv2d"
    assert Dense(1, name="head").name == "head"


def test_the_three_ways_to_give_an_input_shape_agree():
    assert Dense(1, input_dim=3).input_shape == (3,)
    assert Dense(1, input_shape=(3,)).input_shape == (3,)
    assert Dense(1, batch_input_shape=(None, 3)).input_shape == (3,)
    assert Dense(1, input_shape=3).input_shape == (3,)
    assert Dense(1).input_shape is None


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: Dense(3, actvation="relu"), "did you mean 'activation'"),
        (lambda: Dense(3, nme="a"), "did you mean 'name'"),
        (lambda: Scale(strat=1.0), "did you mean 'start'"),
        (lambda: Dense(3, name="a.b"), "cannot hold a dot"),
        (lambda: Dense(3, dtype="float31"), "did you mean 'float32'"),
        (lambda: Dense(3, input_dim=2, input_shape=(2,)), "give one of"),
        (lambda: Dense(3, input_dim=0), "sizes of 1 or more"),
        (lambda: Dense(3, lora_rank=4), "lora_rank=4 is not supported"),
        (lambda: Dense(0), "units=0; expected an integer of 1 or more"),
        (lambda: Dense("3"), "units='3'"),
        (lambda: Dense(True), "units=True"),
    ],
)
def test_a_wrong_argument_is_one_clear_error(call, message):
    with pytest.raises(UsageError, match=message):
        call()


def test_all_unknown_arguments_are_reported_together_and_are_type_errors():
    with pytest.raises(UsageTypeError, match="2 problems"):
        Dense(3, actvation="relu", biass=False)


def test_an_argument_of_keras_at_its_neutral_value_is_accepted():
    assert Dense(3, lora_rank=None, quantization_config=None).units == 3


# Weights of one's own.


def test_a_weight_kept_under_another_name_is_one_weight():
    class Renamed(Layer):
        def build(self, input_shape):
            self.own = self.add_weight((input_shape[-1],), name="kernel")
            super().build(input_shape)

        def forward(self, inputs):
            return inputs * self.own

    layer = Renamed()
    layer(torch.ones(1, 2))
    assert list(layer.state_dict()) == ["own"]
    assert [w.path for w in layers.named_weights(layer)] == ["kernel"]


def test_a_weight_kept_nowhere_still_belongs_to_the_layer():
    class Careless(Layer):
        def build(self, input_shape):
            self.add_weight((2,), name="kernel")
            self.add_weight((3,))
            super().build(input_shape)

        def forward(self, inputs):
            return inputs

    layer = Careless()
    layer(torch.ones(1))
    assert list(layer.state_dict()) == ["kernel", "weight"]
    assert layer.count_params() == 5


def test_two_weights_of_one_name_are_an_error():
    class Twice(Layer):
        def build(self, input_shape):
            self.a = self.add_weight((2,), name="kernel")
            self.b = self.add_weight((2,), name="kernel")

    with pytest.raises(UsageError, match="second weight named 'kernel'"):
        Twice()(torch.ones(1))


def test_a_misspelt_argument_of_add_weight_is_an_error():
    with pytest.raises(UsageTypeError, match="did you mean 'initializer'"):
        Scale().add_weight((2,), initialiser="ones")


def test_weights_that_are_not_trained_come_last_and_get_no_gradient():
    layer = Scale()
    layer(torch.ones(1, 3))
    named = layers.named_weights(layer)
    assert [(w.path, w.trainable) for w in named] == [("factor", True), ("calls", False)]
    assert not layer.calls.requires_grad


def test_integer_weights_are_possible():
    class Counter(Layer):
        def build(self, input_shape):
            self.count = self.add_weight((), "zeros", dtype="int64", trainable=False, name="n")
            super().build(input_shape)

        def forward(self, inputs):
            return inputs

    layer = Counter()
    layer(torch.ones(1))
    assert layer.count.dtype == torch.int64


# Freezing.


def test_freezing_reaches_every_weight_before_and_after_the_build():
    x = torch.ones(1, 2)
    early, late = Dense(3, trainable=False), Dense(3)
    early(x)
    late(x)
    late.trainable = False
    for layer in (early, late):
        assert not layer.trainable
        assert not any(p.requires_grad for p in layer.parameters())
        layer.trainable = True
        assert all(p.requires_grad for p in layer.parameters())


def test_freezing_reaches_sub_layers_and_plain_modules_but_never_thaws_averages():
    class Block(Layer):
        def __init__(self, **keywords):
            super().__init__(**keywords)
            self.own, self.plain = Scale(), nn.Linear(3, 3)

        def forward(self, inputs):
            return self.plain(self.own(inputs))

    block = Block()
    block(torch.ones(1, 3))
    block.trainable = False
    assert not any(p.requires_grad for p in block.parameters())
    block.trainable = True
    assert {n for n, p in block.named_parameters() if not p.requires_grad} == {"own.calls"}


# Penalties and constraints.


def test_penalties_of_weights_and_output_are_summed():
    layer = Dense(
        2,
        kernel_initializer="ones",
        bias_initializer="ones",
        kernel_regularizer="l2",
        bias_regularizer="l1",
        activity_regularizer="l1",
    )
    assert layer.has_penalty
    layer(torch.ones(4, 3))
    # 0.01 * 6 ones squared, 0.01 * 2 ones, 0.01 * 8 outputs of 4 over a batch of 4
    assert layer.penalty().item() == pytest.approx(0.06 + 0.02 + 0.08)
    # What the output adds is handed out once.
    assert layer.penalty().item() == pytest.approx(0.08)


def test_penalties_have_gradients():
    layer = Dense(2, kernel_regularizer="l2")
    layer(torch.ones(1, 3))
    layer.penalty().backward()
    torch.testing.assert_close(layer.weight.grad, 0.02 * layer.weight.detach())


def test_a_layer_without_regularizers_has_no_penalty():
    layer = Dense(2)
    layer(torch.ones(1, 3))
    assert not layer.has_penalty
    assert layer.penalty() is None


def test_a_layer_can_be_copied_while_its_output_is_penalised():
    layer = Dense(2, activity_regularizer="l2")
    x = torch.ones(1, 3)
    layer(x)
    again = copy.deepcopy(layer)
    assert torch.equal(again(x), layer(x))


def test_constraints_are_applied_in_keras_layout():
    layer = Dense(2, kernel_initializer="ones", kernel_constraint="unit_norm")
    layer(torch.ones(1, 4))
    assert layer.has_constraints
    layer.apply_constraints()
    # The norm is taken over the inputs of each unit.
    torch.testing.assert_close(layer.weight.detach(), torch.full((2, 4), 0.5))
    assert layer.weight.requires_grad


def test_a_convolutions_constraint_sees_its_kernel_as_keras_has_it():
    seen = []

    def note(w):
        seen.append(tuple(w.shape))
        return w

    layer = layers.Conv2D(5, (2, 3), kernel_constraint=note)
    layer(torch.ones(1, 4, 4, 7))
    layer.apply_constraints()
    assert seen == [(2, 3, 7, 5)]


def test_without_constraints_there_is_nothing_to_apply():
    layer = Dense(2)
    layer(torch.ones(1, 2))
    assert not layer.has_constraints


# Copying and memory.


def test_an_unbuilt_layer_can_be_copied_and_both_are_built_apart():
    layer = Dense(2)
    again = copy.deepcopy(layer)
    layer(torch.ones(1, 3))
    assert again.built is False
    again(torch.ones(1, 5))
    assert (layer.weight.shape, again.weight.shape) == ((2, 3), (2, 5))


def test_a_built_layer_is_freed_when_it_is_dropped():
    layer = Dense(2)
    layer(torch.ones(1, 3))
    reference = weakref.ref(layer)
    del layer
    gc.collect()
    assert reference() is None


def test_a_layer_called_by_keyword_is_built_too():
    layer = Dense(2)
    assert layer(inputs=torch.ones(1, 3)).shape == (1, 2)


def test_a_layer_of_several_inputs_is_built_with_all_their_shapes():
    class Add(Layer):
        def build(self, input_shape):
            self.seen = input_shape
            super().build(input_shape)

        def forward(self, inputs):
            return inputs["a"] + inputs["b"][0]

    layer = Add()
    layer({"a": torch.ones(2, 3), "b": [torch.ones(1, 3)]})
    assert layer.seen == {"a": (2, 3), "b": [(1, 3)]}
    assert layer.compute_output_shape({"a": (None, 3), "b": [(1, 3)]}) == (None, 3)


def test_a_number_among_the_inputs_has_the_empty_shape():
    class Mean(Layer):
        def build(self, input_shape):
            self.seen = input_shape
            super().build(input_shape)

        def forward(self, inputs):
            return sum(inputs) / len(inputs)

    layer = Mean()
    assert layer([1.0, torch.ones(2)]).tolist() == [1.0, 1.0]
    assert layer.seen == [(), (2,)]
