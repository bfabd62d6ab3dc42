import math
import os

import pytest
from hypothesis import given
from hypothesis import strategies as st

from epochal.core.errors import UsageError, UsageTypeError
from epochal.storage import FileMissingError, read_json, write_json

leaves = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.text()
    | st.floats(allow_nan=False, allow_infinity=False)
)
values = st.recursive(
    leaves,
    lambda s: st.lists(s, max_size=3) | st.dictionaries(st.text(), s, max_size=3),
    max_leaves=8,
)


def strict_equal(a, b):
    return type(a) is type(b) and repr(a) == repr(b)


@given(value=values)
def test_what_is_written_reads_back_exactly(tmp_path_factory, value):
    path = tmp_path_factory.getbasetemp() / "value.json"
    write_json(path, value)
    assert strict_equal(read_json(path), value)


def test_missing_folders_are_made_when_asked(tmp_path):
    write_json(tmp_path / "a" / "b.json", (1, 2), make_folder=True)
    assert read_json(tmp_path / "a" / "b.json") == [1, 2]


@pytest.mark.parametrize("number", [math.nan, math.inf, -math.inf])
def test_a_number_json_cannot_hold_is_refused_by_place_and_the_old_file_stays(tmp_path, number):
    path = tmp_path / "a.json"
    write_json(path, 1)
    with pytest.raises(
        UsageError, match=rf"at \['loss'\]\[1\] is {number}, which JSON cannot hold"
    ):
        write_json(path, {"loss": [0.0, number]})
    with pytest.raises(UsageError, match="the value is"):
        write_json(path, number)
    assert read_json(path) == 1
    assert os.listdir(tmp_path) == ["a.json"]


def test_values_of_other_types_and_keys_that_are_no_text_are_refused_together(tmp_path):
    with pytest.raises(UsageTypeError) as caught:
        write_json(tmp_path / "a.json", [{"s": {1, 2}, 3: {4: 5}}])
    message = str(caught.value)
    assert "3 problems" in message
    assert "the key 3 at [0] is of type int" in message
    assert "the key 4 at [0][3]" in message
    assert "at [0]['s'] is of type set" in message


def test_a_missing_file_points_at_the_nearest_name(tmp_path):
    write_json(tmp_path / "history.json", 1)
    with pytest.raises(FileMissingError, match=r"did you mean 'history\.json'\?") as caught:
        read_json(tmp_path / "histroy.json")
    assert isinstance(caught.value, FileNotFoundError)
    with pytest.raises(FileMissingError, match="no file there has a similar name"):
        read_json(tmp_path / "zzz")
    with pytest.raises(FileMissingError, match="nor does its folder"):
        read_json(tmp_path / "no" / "zzz")
    with pytest.raises(UsageError, match="is a folder"):
        read_json(tmp_path)


@pytest.mark.parametrize("content", [b"", b'{"a": 1', b"\xff\xfe\xfa", b"[NaN]", b"-Infinity"])
def test_a_damaged_file_is_an_error_that_names_it(tmp_path, content):
    path = tmp_path / "a.json"
    path.write_bytes(content)
    with pytest.raises(UsageError, match=r"a\.json is (not whole JSON|refused)"):
        read_json(path)
