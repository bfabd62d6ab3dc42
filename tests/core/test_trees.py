"""Nests of arrays are walked in order and rebuilt in their own shape."""

import dataclasses
from collections import OrderedDict, UserDict
from typing import Any, NamedTuple

import pytest

from epochal.core.trees import flatten, leaves_with_paths, map_leaves, pick


class Pair(NamedTuple):
    first: Any
    second: Any


def test_a_nest_keeps_its_shape() -> None:
    tree = {"a": 1, "b": (2, [3, None]), "c": Pair(4, {"d": 5}), "e": None}
    made = map_leaves(lambda leaf: leaf * 10, tree)
    assert made == {"a": 10, "b": (20, [30, None]), "c": Pair(40, {"d": 50}), "e": None}
    assert type(made["c"]) is Pair
    assert map_leaves(str, 1) == "1"
    assert map_leaves(str, None) is None
    assert map_leaves(str, ()) == ()


def test_mappings_of_every_kind_become_dicts() -> None:
    for mapping in (OrderedDict(a=1), UserDict(a=1)):
        assert map_leaves(str, mapping) == {"a": "1"}
        assert flatten(mapping) == [1]


def test_several_nests_are_walked_together_and_dicts_by_key() -> None:
    one, two = {"a": 1, "b": (2, 3)}, {"b": (20, 30), "a": 10}
    assert map_leaves(lambda x, y: x + y, one, two) == {"a": 11, "b": (22, 33)}


def test_nests_of_different_shape_are_an_error() -> None:
    for one, two in (((1, 2), (1,)), (Pair(1, 2), (1,))):
        with pytest.raises(ValueError, match="shorter"):
            map_leaves(max, one, two)
    with pytest.raises(KeyError):
        map_leaves(max, {"a": 1}, {"b": 1})


def test_paths_read_as_python() -> None:
    tree = {"a": 1, "b": Pair(2, [3, None])}
    assert list(leaves_with_paths(tree, "x")) == [
        ("x['a']", 1),
        ("x['b'][0]", 2),
        ("x['b'][1][0]", 3),
    ]
    assert list(leaves_with_paths(5, "y")) == [("y", 5)]
    assert flatten(None) == []


@dataclasses.dataclass
class Record:
    a: int
    b: tuple[int, None] = (2, None)


def test_a_dataclass_is_a_nest_of_its_fields() -> None:
    record = Record(1)
    assert map_leaves(lambda a, b: a + b, record, Record(10, (20, None))) == Record(11, (22, None))
    assert dict(leaves_with_paths(record, "x")) == {"x.a": 1, "x.b[0]": 2}
    assert (pick(record, "a"), pick({"a": 3}, "a")) == (1, 3)
    assert map_leaves(lambda leaf: leaf is Record, Record) is True
