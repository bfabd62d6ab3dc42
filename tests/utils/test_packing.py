import pytest

from epochal.core.errors import UsageError
from epochal.utils import pack_x_y_sample_weight, unpack_x_y_sample_weight


@pytest.mark.parametrize(
    "parts", [("x",), ("x", "y"), ("x", "y", "w"), (("x1", "x2"),), (["x"], {"y": 1})]
)
def test_what_was_packed_unpacks_to_the_same(parts):
    packed = pack_x_y_sample_weight(*parts)
    assert unpack_x_y_sample_weight(packed) == (*parts, None, None)[:3]
    assert unpack_x_y_sample_weight(list(parts)) == (*parts, None, None)[:3]


def test_inputs_alone_stay_as_they_are():
    assert pack_x_y_sample_weight("x") == "x"
    assert unpack_x_y_sample_weight({"a": 1}) == ({"a": 1}, None, None)


@pytest.mark.parametrize("count", [0, 4])
def test_another_number_of_parts_is_an_error(count):
    with pytest.raises(UsageError, match=f"a batch has {count} parts"):
        unpack_x_y_sample_weight(tuple(range(count)))


def test_weights_without_targets_are_an_error():
    with pytest.raises(UsageError, match="sample_weight without y"):
        pack_x_y_sample_weight(1, sample_weight=2)
    with pytest.raises(UsageError, match="did you mean 'sample_weight'"):
        pack_x_y_sample_weight(1, 2, sample_weights=2)
