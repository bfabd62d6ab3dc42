"""JSON with one meaning, within bounds."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from epochal.core.errors import UsageError
from epochal.storage import parse_json

values = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**100), 2**100) | st.text()
    | st.floats(allow_nan=False, allow_infinity=False),
    lambda s: st.lists(s, max_size=4) | st.dictionaries(st.text(), s, max_size=4),
)  # fmt: skip


@given(value=values, ascii=st.booleans())
def test_what_was_written_is_read(value, ascii):
    text = json.dumps(value, ensure_ascii=ascii)
    assert parse_json(text, "it") == value
    assert parse_json(text.encode(), "it") == value


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ('{"a": 1, "a": 2}', "the key 'a' stands there twice"),
        ('[{"b": {"a": 1, "c": 1, "a": 1}}]', "the key 'a'"),
        ("[NaN]", "NaN is not a JSON number"),
        ("-Infinity", "-Infinity is not"),
        ("1e999", "'1e999' is beyond all bounds"),
        ("-1" + "0" * 400 + ".5", r"beyond all bounds"),
        ("1" * 41, "an integer has 41 digits"),
        ("1" * 100_000, "an integer has 100,000 digits"),
        ("[" * 129 + "]" * 129, "deeper than 128"),
        ("[" * 100_000, "deeper than 128"),
        ("[" + "0," * 1_000_001 + "0]", "more than 1,000,000 values"),
        (" " * 17_000_000, "17,000,000 bytes, and at most 16,777,216"),
        ('"\\ud800"', "half of a surrogate pair"),
        ('{"\\udfff": 1}', "half of a surrogate pair"),
        ("", "not whole JSON"),
        ("{", "not whole JSON"),
        ("[1] [2]", "not whole JSON"),
        ("{'a': 1}", "not whole JSON"),
        ('"\x00"', "not whole JSON"),
        (b"\xff", "not whole JSON"),
        (b"\xef\xbb\xbf1", "not whole JSON"),
        ("]" * 10, "not whole JSON"),
    ],
    ids=lambda text: repr(text)[:20],
)
def test_what_has_two_meanings_or_no_bounds_is_refused(text, words):
    with pytest.raises(UsageError, match=f"^the note .*{words}"):
        parse_json(text, "the note")


def test_what_stands_in_texts_is_not_counted():
    text = json.dumps(["[{,\\" * 100, '"' * 100, "\\"])
    assert parse_json(text, "it", max_depth=1, max_values=4)[0] == "[{,\\" * 100
    with pytest.raises(UsageError, match="more than 2 values"):
        parse_json(text, "it", max_values=2)


def test_a_text_of_escapes_alone_costs_no_memory_for_each():
    text = '"' + "\\\\" * 3_000_000 + '"'
    assert len(parse_json(text, "it")) == 3_000_000
