"""`Logs` is a dict to everybody who looks, and computes only what is looked at."""

import collections
import copy
import csv
import dataclasses
import io
import json
import pickle
from collections import Counter
from typing import Any

import numpy as np
import pandas as pd
import pytest

from epochal.logs import Logs

VALUES = {"loss": 0.25, "acc": 0.5, "per_class": [1.0, 2.0], "parts": {"a": 1.0, "b": {"c": 2.0}}}


class Reader:
    """Gives the values and counts how often each was computed."""

    def __init__(self) -> None:
        self.calls: Counter[str] = Counter()

    def __call__(self, name: str) -> Any:
        self.calls[name] += 1
        return VALUES[name]


@pytest.fixture
def reader() -> Reader:
    return Reader()


@pytest.fixture
def logs(reader: Reader) -> Logs:
    return Logs(list(VALUES), reader, {"lr": 0.1})


def keywords(**given: Any) -> dict[str, Any]:
    return given


def matched(logs: Any) -> Any:
    match logs:
        case {"loss": loss, **rest}:
            return {"loss": loss, **rest}
    return None


def csv_row(logs: Any) -> dict[str, Any]:
    file = io.StringIO()
    writer = csv.DictWriter(file, fieldnames=list(VALUES))
    writer.writeheader()
    writer.writerow(logs)
    file.seek(0)
    return next(csv.DictReader(file))


def updated(logs: Any) -> dict[str, Any]:
    plain: dict[str, Any] = {}
    plain.update(logs)
    return plain


def merged_in_place(logs: Any) -> dict[str, Any]:
    plain: dict[str, Any] = {}
    plain |= logs
    return plain


@dataclasses.dataclass
class Record:
    logs: Any


READINGS = {
    "dict": dict,
    "star": lambda logs: {**logs},
    "keywords": lambda logs: keywords(**logs),
    "comprehension": lambda logs: {name: logs[name] for name in logs},
    "items": lambda logs: dict(logs.items()),
    "values": lambda logs: dict(zip(logs, logs.values(), strict=True)),
    "keys": lambda logs: {name: logs[name] for name in logs.keys()},  # noqa: SIM118
    "method copy": lambda logs: logs.copy(),
    "copy": copy.copy,
    "deepcopy": copy.deepcopy,
    "pickle": lambda logs: pickle.loads(pickle.dumps(logs)),
    "json": lambda logs: json.loads(json.dumps(logs)),
    "json, indented": lambda logs: json.loads(json.dumps(logs, indent=2, sort_keys=True)),
    "update": updated,
    "or": lambda logs: logs | {},
    "reflected or": lambda logs: {} | logs,
    "or in place": merged_in_place,
    "get": lambda logs: {name: logs.get(name) for name in logs},
    "OrderedDict": collections.OrderedDict,
    "ChainMap": lambda logs: dict(collections.ChainMap(logs)),
    "match": matched,
    "eval": lambda logs: {name: eval(name, {}, logs) for name in logs},
    "repr": lambda logs: eval(repr(logs)),
    "rebuilt by its type": lambda logs: dict(type(logs)(dict(logs))),
    "asdict": lambda logs: dict(dataclasses.asdict(Record(logs))["logs"]),
    "popped": lambda logs: {name: logs.pop(name) for name in list(logs)},
    "popped from behind": lambda logs: dict(reversed([logs.popitem() for _ in range(len(logs))])),
    "setdefault": lambda logs: {name: logs.setdefault(name, "no") for name in logs},
}


@pytest.mark.parametrize("how", READINGS)
def test_every_way_of_reading_gives_each_value_computed_once(
    how: str, logs: Logs, reader: Reader
) -> None:
    assert READINGS[how](logs) == VALUES
    assert reader.calls == dict.fromkeys(VALUES, 1)


def test_it_is_a_dict_and_lists_its_names_in_order(logs: Logs, reader: Reader) -> None:
    assert isinstance(logs, dict)
    assert list(logs) == list(logs.keys()) == list(VALUES)
    assert list(reversed(logs)) == list(VALUES)[::-1]
    assert len(logs) == 4
    assert bool(logs)
    assert "loss" in logs
    assert "val_loss" not in logs
    assert not reader.calls


def test_equality_compares_values_in_both_directions(reader: Reader) -> None:
    assert Logs(list(VALUES), reader) == VALUES
    assert Logs(list(VALUES), reader) == VALUES
    assert Logs(list(VALUES), reader) == Logs(list(VALUES), reader)
    assert Logs(["loss"], reader) != VALUES
    assert Logs(["loss"], reader) != 3
    with pytest.raises(TypeError, match="unhashable"):
        hash(Logs(["loss"], reader))


def test_strings_are_formatted_with_its_values(logs: Logs, reader: Reader) -> None:
    assert "{loss:.2f}".format(**logs) == "0.25"
    assert "{loss:.2f}".format_map(logs) == "0.25"
    assert "%(loss).1f %(lr).1f" % logs == "0.2 0.1"  # noqa: UP031  the operator is what is tested


def test_only_what_is_read_is_computed(logs: Logs, reader: Reader) -> None:
    assert logs["loss"] == logs["loss"] == logs.get("loss") == 0.25
    assert reader.calls == {"loss": 1}


def test_a_reading_that_fails_is_tried_again() -> None:
    answers = iter([None, 2.0])

    def read(name: str) -> float:
        answer = next(answers)
        if answer is None:
            raise RuntimeError("out of memory")
        return answer

    logs = Logs(["loss"], read)
    with pytest.raises(RuntimeError):
        logs["loss"]
    assert logs["loss"] == 2.0


def test_what_one_callback_writes_the_next_one_reads(logs: Logs, reader: Reader) -> None:
    logs["val_f1"] = 0.9
    logs["acc"] = 0.75
    logs.update(loss=1.0)
    logs |= {"more": 2.0}
    del logs["per_class"]
    assert logs == {"loss": 1.0, "acc": 0.75, "parts": VALUES["parts"], "val_f1": 0.9, "more": 2.0}
    assert reader.calls == {"parts": 1}
    assert isinstance(logs, Logs)


def test_views_follow_later_writing_as_a_dicts_do(logs: Logs) -> None:
    items, values = logs.items(), logs.values()
    logs["more"] = 7.0
    assert ("more", 7.0) in items
    assert 7.0 in values


def test_copies_are_plain_dicts_that_do_not_follow(logs: Logs) -> None:
    copies = [logs.copy(), dict(logs), copy.copy(logs), copy.deepcopy(logs), logs | {}]
    logs["loss"] = -1.0
    for each in copies:
        assert type(each) is dict
        assert each["loss"] == 0.25


def test_logs_read_from_other_logs(logs: Logs, reader: Reader) -> None:
    other = Logs(["extra"], lambda name: 3.0)
    other.update(logs)
    other |= Logs(["again"], lambda name: 4.0)
    assert other == {**VALUES, "extra": 3.0, "again": 4.0}
    assert (Logs(["a"], lambda name: 1.0) | Logs(["b"], lambda name: 2.0)) == {"a": 1.0, "b": 2.0}
    with pytest.raises(TypeError):
        logs | 3


def test_unlisted_values_can_be_asked_for_by_name_alone(logs: Logs) -> None:
    assert logs["lr"] == logs.get("lr") == 0.1
    assert "lr" not in logs
    assert "lr" not in dict(logs)
    assert len(logs) == 4
    logs["lr"] = 0.2
    assert logs["lr"] == logs.get("lr") == 0.2
    assert "lr" in dict(logs)


def test_a_missing_name_is_a_key_error_that_names_the_nearest(logs: Logs) -> None:
    with pytest.raises(KeyError, match=r"unknown log 'los'.*did you mean 'loss'.*'lr'"):
        logs["los"]
    with pytest.raises(KeyError):
        logs.pop("los")
    with pytest.raises(KeyError):
        del logs["los"]
    assert logs.get("los") is None
    assert logs.get("los", 3) == 3
    assert logs.pop("los", 4) == 4
    assert logs.setdefault("los", 5) == 5
    assert logs["los"] == 5


def test_no_logs_at_all_is_an_empty_dict() -> None:
    logs = Logs([], Reader())
    assert json.dumps(logs) == json.dumps(logs, indent=1) == "{}"
    assert logs == {} == dict(logs) == Logs()
    assert not logs
    with pytest.raises(KeyError):
        logs.popitem()
    logs.clear()
    assert repr(logs) == "{}"


def test_csv_and_pandas_take_it_for_a_row() -> None:
    logs = Logs(["loss", "acc"], Reader())
    frame = pd.DataFrame([logs, Logs(["loss", "acc"], Reader())])
    assert frame["loss"].tolist() == [0.25, 0.25]
    assert pd.Series(Logs(["loss", "acc"], Reader())).to_dict() == {"loss": 0.25, "acc": 0.5}
    row = csv_row(Logs(["loss", "acc"], Reader()))
    assert row["loss"] == "0.25"
    assert np.isclose(float(row["acc"]), 0.5)
