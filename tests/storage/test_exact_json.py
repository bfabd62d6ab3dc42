"""What is written as exact JSON comes back equal and of the same types; sealed, also untouched."""

import hashlib
import math
from collections import OrderedDict

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from epochal.core.errors import UsageError, UsageTypeError
from epochal.storage.exact_json import decode_exact, encode_exact
from epochal.storage.sealed import DamagedError, seal, unseal

leaves = (
    st.none()
    | st.booleans()
    | st.integers(-(10**38), 10**38)
    | st.floats()
    | st.text(st.characters(codec="utf-8"))
)
keys = st.sampled_from(["$tuple", "$float", "$dict", "$"]) | st.text(st.characters(codec="utf-8"))
values = st.recursive(
    leaves,
    lambda inner: (
        st.lists(inner) | st.lists(inner).map(tuple) | st.dictionaries(keys, inner, max_size=3)
    ),
    max_leaves=20,
)


@given(values)
def test_every_value_comes_back(value):
    back = decode_exact(encode_exact(value, "it"), "it")
    assert repr(back) == repr(value)  # NaN, -0.0, tuples, order of keys


@given(values)
def test_every_value_can_be_sealed(value):
    assert repr(unseal(seal(value, "it"), "it")) == repr(value)


def test_every_changed_bit_of_sealed_text_is_seen():
    whole = seal({"epoch": 3, "position": "epoch 3"}, "it")
    for bit in range(len(whole) * 8):
        data = bytearray(whole)
        data[bit // 8] ^= 1 << bit % 8
        with pytest.raises(DamagedError, match="it is damaged"):
            unseal(data, "it")


def test_text_with_the_right_hash_that_means_nothing_is_damaged():
    line = b'{"a": 1, "a": 2}\n'
    forged = line + b'{"sha256": "' + hashlib.sha256(line).hexdigest().encode() + b'"}\n'
    with pytest.raises(DamagedError, match="stands there twice"):
        unseal(forged, "it")


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        ({"a": [np.float64(1)]}, r"it\['a'\]\[0\] is of type float64"),
        (np.int64(1), "type int64"),
        (OrderedDict(), "OrderedDict"),
        ({1: 2}, "the key 1, which is no text"),
        ({"a": b"x"}, "bytes"),
    ],
)
def test_what_would_come_back_as_something_else_is_refused(value, reason):
    with pytest.raises(UsageTypeError, match=reason):
        encode_exact(value, "it")


def test_what_would_not_be_read_back_is_refused():
    deep = []
    for _ in range(80):
        deep = [deep]
    for value, reason in [
        (deep, "deeper than 63 levels"),
        (10**39, "more than 39 digits"),
        ("\ud800", "surrogate"),
        ([0] * 2_000_001, "too large for JSON"),
    ]:
        with pytest.raises(UsageError, match=reason):
            encode_exact(value, "it")


@pytest.mark.parametrize(
    "text", ['{"$float": "1e5"}', '{"$odd": 1}', '{"$tuple": 3}', '{"$dict": []}']
)
def test_marks_that_are_not_ours_are_refused(text):
    with pytest.raises(UsageError, match="is not a mark of ours"):
        decode_exact(text.encode(), "it")


def test_infinity_is_a_number():
    assert decode_exact(b'{"$float": "-inf"}', "it") == -math.inf
