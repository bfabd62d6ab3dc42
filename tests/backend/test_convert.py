import warnings

import numpy as np
import pandas as pd
import pytest
import torch

import epochal
from epochal import backend, ops
from epochal import backend as K
from epochal.core.errors import UsageError, UsageTypeError


class Keeper:
    """A stand-in for a metric's weight: keeps a tensor and takes new values."""

    def __init__(self):
        self.value = torch.tensor(2.0)

    def assign(self, value):
        self.value = torch.as_tensor(value)


@pytest.mark.parametrize(
    ("x", "dtype"),
    [
        (1, torch.int64),
        (1.5, torch.float32),
        (True, torch.bool),
        ([1, 2], torch.int64),
        ([1, 2.5], torch.float32),
        ((True, False), torch.bool),
        ([], torch.float32),
        (1j, torch.complex64),
        (np.float64(3), torch.float32),
        (np.zeros(2), torch.float32),
        (np.zeros(2, "float16"), torch.float16),
        (np.zeros(2, ">i4"), torch.int32),
        (np.zeros(2, ">f8"), torch.float32),
        (np.zeros(2, "longdouble"), torch.float32),
        (np.zeros(2, "uint8"), torch.uint8),
        (torch.zeros(2, dtype=torch.float64), torch.float64),
        (pd.Series([1.5]), torch.float32),
        (pd.DataFrame({"value": [1, 2]}), torch.int64),
        pytest.param(Keeper(), torch.float32, id="keeper"),
        ([torch.tensor(1.0), 2], torch.float32),
    ],
    ids=repr,
)
def test_fractions_become_float32_and_whole_numbers_stay_whole(x, dtype):
    assert K.convert_to_tensor(x).dtype == dtype


def test_a_tensor_is_returned_as_it_is_and_an_array_is_copied():
    tensor, array = torch.ones(2), np.ones(2, "float32")
    assert K.convert_to_tensor(tensor) is tensor
    made = K.convert_to_tensor(array)
    array[0] = 5
    assert made.tolist() == [1, 1]


def test_read_only_reversed_and_transposed_arrays_are_taken_without_a_warning():
    frozen = np.arange(6).reshape(2, 3)
    frozen.flags.writeable = False
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for array in (frozen, frozen[:, ::-1], frozen.T, np.broadcast_to(frozen, (2, 2, 3))):
            assert K.convert_to_tensor(array).tolist() == array.tolist()


def test_gradients_pass_through_lists_of_tensors():
    x = torch.tensor(2.0, requires_grad=True)
    K.sum(K.square([x, x * 3])).backward()
    assert x.grad.item() == 2 * 2 + 2 * 9 * 2


def test_a_number_does_not_raise_the_type_of_the_tensor_it_meets():
    half = torch.ones(2, dtype=torch.float16)
    assert K.maximum(half, 0.5).dtype == torch.float16
    assert K.clip(half, 0, 1).dtype == torch.float16
    assert K.where(half > 0, half, 0.0).dtype == torch.float16
    assert K.maximum([1, 2], 1.5).tolist() == [1.5, 2.0]


def test_results_are_on_the_device_of_the_first_tensor():
    meta = torch.ones(2, device="meta")
    assert K.maximum(np.ones(2), meta).device.type == "meta"
    assert K.concatenate([[1.0], meta]).device.type == "meta"
    assert K.convert_to_tensor([meta, [1.0, 2.0]]).device.type == "meta"
    keeper = Keeper()
    keeper.value = meta
    assert K.maximum(1, keeper).device.type == "meta"
    assert K.zeros_like(meta).device.type == "meta"


def test_numpy_gets_values_without_gradients_and_bfloat16_as_float32():
    assert K.convert_to_numpy(torch.ones(2, requires_grad=True) * 2).tolist() == [2, 2]
    assert K.convert_to_numpy(torch.ones(2, dtype=torch.bfloat16)).dtype == np.float32
    assert K.convert_to_numpy(torch.tensor([1 + 2j]).conj()).tolist() == [1 - 2j]
    assert K.convert_to_numpy([1, 2]).tolist() == [1, 2]
    assert K.convert_to_numpy(Keeper()).tolist() == 2.0


def test_get_value_gives_a_python_number_for_what_has_no_axes():
    class Rate(float):
        pass

    for x in (torch.tensor(0.5), np.float32(0.5), 0.5, np.array(0.5), Rate(0.5)):
        assert type(K.get_value(x)) is float
        assert K.get_value(x) == 0.5
    assert K.get_value(Keeper()) == 2.0
    assert type(K.get_value(torch.tensor(3))) is int
    assert K.get_value([1, 2]).tolist() == [1, 2]


def test_a_value_that_was_got_does_not_change_with_the_weights():
    weight = torch.nn.Parameter(torch.zeros(2))
    before = K.get_value(weight)
    K.set_value(weight, [1.0, 2.0])
    assert before.tolist() == [0, 0]
    assert weight.tolist() == [1, 2]
    assert weight.requires_grad
    assert weight.is_leaf


def test_set_value_asks_an_object_to_assign():
    keeper = Keeper()
    K.set_value(keeper, 7.0)
    assert K.get_value(keeper) == 7.0


def test_set_value_keeps_the_type_and_refuses_another_shape():
    steps = torch.zeros(2, dtype=torch.int32)
    K.set_value(steps, [1.0, 2.0])
    assert steps.dtype == torch.int32
    with pytest.raises(UsageError, match=r"shape \(3,\) is not the tensor's, \(2,\)"):
        K.set_value(steps, [1, 2, 3])


def test_set_value_on_a_plain_number_says_what_to_do():
    with pytest.raises(UsageTypeError, match="type float cannot be changed in place"):
        K.set_value(0.1, 0.2)


@pytest.mark.parametrize(
    ("dtype", "expected"),
    [
        ("float32", torch.float32),
        ("torch.int8", torch.int8),
        (np.int64, torch.int64),
        (int, torch.int64),
        (float, torch.float32),
        (bool, torch.bool),
        (np.dtype("f8"), torch.float64),
        (torch.half, torch.half),
    ],
)
def test_a_type_can_be_named_in_every_usual_way(dtype, expected):
    assert K.cast([1, 0], dtype).dtype == expected


def test_an_unknown_type_names_the_nearest():
    with pytest.raises(UsageError, match="unknown dtype 'flot32': did you mean 'float32'"):
        K.cast([1], "flot32")
    with pytest.raises(UsageError, match="unknown dtype 'str'"):
        K.cast([1], "str")


@pytest.mark.parametrize(
    "x",
    ["text", None, [None, 1], {"a": 1}, object(), np.array(["a"])],
    ids=["text", "None", "a list with None", "a dict", "an object", "an array of text"],
)
def test_what_is_no_number_is_refused(x):
    with pytest.raises(UsageTypeError, match="cannot make a tensor of"):
        K.sum(x)


def test_lists_of_unequal_lengths_are_refused():
    with pytest.raises(UsageError, match="unequal lengths"):
        K.sum([[1, 2], [3]])
    with pytest.raises(UsageError, match=r"unequal shapes are not one tensor: \(2,\), \(\)"):
        K.sum([torch.ones(2), 1])


def test_a_number_too_large_for_float32_is_not_made_infinite_in_silence():
    with pytest.warns(RuntimeWarning, match="overflow"):
        K.sum(np.array([1e300]))


def test_misspelt_arguments_name_the_right_one():
    with pytest.raises(UsageTypeError, match="unknown argument 'keepdim': did you mean 'keepdims'"):
        K.sum([1], keepdim=True)
    with pytest.raises(UsageTypeError, match=r"'dim'.*'axis'"):
        K.mean([1], dim=0)


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (
            lambda: K.sum([1, 2], axis=1),
            r"axis 1 does not exist in .* shape \(2,\); its axes go from -1 to 0",
        ),
        (lambda: K.max(3, axis=0), "single number"),
        (lambda: K.argmax([1, 2], axis=-2), "axis -2 does not exist"),
        (lambda: K.sort([1, 2], axis=1), "axis 1 does not exist"),
        (lambda: K.softmax([1, 2], axis=1), "axis 1 does not exist"),
        (lambda: K.take([1, 2], [0], axis=1), "axis 1 does not exist"),
        (lambda: K.repeat([1, 2], 2, axis=1), "axis 1 does not exist"),
        (lambda: K.concatenate([[1], [2]], axis=1), "axis 1 does not exist"),
        (lambda: K.concatenate(torch.ones(2, 2)), "expected a list of tensors, got Tensor"),
        (lambda: K.stack([]), "got an empty list"),
        (lambda: K.top_k([1, 2], 3), "k is 3; the last axis has 2 entries"),
        (lambda: K.round([12], -1), "decimals is -1"),
        (lambda: K.where([True], [1]), "both x1 and x2"),
        (lambda: K.squeeze([[1, 2]], axis=1), "not one entry long"),
        (lambda: K.expand_dims([1], axis=3), "give one from -2 to 1"),
        (lambda: K.batch_flatten(1), "no batch axis"),
        (lambda: K.one_hot([0.0], 2), "expected whole numbers"),
    ],
)
def test_mixed_up_calls_say_what_was_expected(call, words):
    with pytest.raises(UsageError, match=words):
        call()


def test_ops_offers_the_same_names_and_both_list_them():
    assert ops.__all__ == backend.__all__
    assert all(
        callable(getattr(module, name)) for module in (ops, backend) for name in backend.__all__
    )
    assert epochal.backend is backend
    assert epochal.ops is ops


def test_clear_session_changes_nothing():
    assert K.clear_session() is None
    assert (K.floatx(), K.epsilon(), K.is_tensor(1)) == ("float32", 1e-7, False)


def test_the_f1_score_of_many_a_tutorial_works():
    y_true, y_pred = np.array([0, 1, 1, 1.0]), torch.tensor([0.4, 0.9, 0.8, 0.1])
    true_positives = K.sum(K.round(K.clip(y_true * y_pred.numpy(), 0, 1)))
    predicted = K.sum(K.round(K.clip(y_pred, 0, 1)))
    possible = K.sum(K.round(K.clip(y_true, 0, 1)))
    precision = true_positives / (predicted + K.epsilon())
    recall = true_positives / (possible + K.epsilon())
    f1 = 2 * precision * recall / (precision + recall + K.epsilon())
    assert K.get_value(f1) == pytest.approx(0.8, abs=1e-6)
