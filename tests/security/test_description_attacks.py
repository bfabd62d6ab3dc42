"""Descriptions of models that name what must never be called, in each format that has one.

CVE-2024-3660, CVE-2025-1550, CVE-2025-8747, CVE-2025-9905, CVE-2025-9906, CVE-2025-49655,
CVE-2025-12058, CVE-2026-1462, CVE-2026-12479, and the published configuration bomb.
"""

import copy
import re
import socket
import threading
from pathlib import Path

import pytest
from hostile.configs import DESCRIBED, PLACES, payloads, rewrite

NAMES = list(payloads(Path("x")))
# What an error says of a name that nobody has registered, or of a value that is no such thing.
WORDS = "unknown|not a|damaged|cannot|does not|needs|expected|is no|no code|Lambda|is read"


def rewritten(path, number, change):
    """Return the path of a copy of a file with another description."""
    other = path.with_name(f"{number}-{path.name}")
    other.write_bytes(path.read_bytes())
    rewrite(other, change)
    return other


def with_payload(place, payload):
    """Return what puts a payload at a place of a description."""

    def change(model, compiled):
        PLACES[place](model, compiled, copy.deepcopy(payload))
        return model, compiled

    return change


@pytest.mark.parametrize("ending", DESCRIBED)
@pytest.mark.parametrize("name", NAMES)
def test_what_a_description_names_is_never_called(oracle, copy_of, canary, ending, name):
    """Whatever it names, and at every place, there is one error and nothing else."""
    path = copy_of(ending)
    payload = payloads(canary.parent / "made")[name]
    places = list(PLACES)
    requests = [
        ("load_model", rewritten(path, number, with_payload(place, payload)), {})
        for number, place in enumerate(places)
    ]
    answers = dict(zip(places, oracle.ask_all(requests), strict=True))
    size = path.stat().st_size
    assert {place: answer.harm(size) for place, answer in answers.items()} == dict.fromkeys(
        places, ""
    )
    for place, answer in answers.items():
        assert answer.outcome == "refused", place
        assert re.search(WORDS, answer.text), (place, answer.text)
        assert all(c.isprintable() or c == "\n" for c in answer.text), place


@pytest.mark.parametrize("ending", DESCRIBED)
def test_inspecting_calls_nothing_either(oracle, copy_of, canary, ending):
    path = copy_of(ending)
    hostile = payloads(canary.parent / "made")
    requests = [
        ("inspect", rewritten(path, f"{a}-{b}", with_payload(place, payload)), {})
        for a, payload in enumerate(hostile.values())
        for b, place in enumerate(
            ("as a layer", "as an initializer", "as the optimizer", "as a metric")
        )
    ]
    answers = oracle.ask_all(requests)
    assert [answer.harm(path.stat().st_size) for answer in answers] == [""] * len(requests)
    assert {answer.outcome for answer in answers} == {"loaded"}


@pytest.mark.parametrize(
    "arguments", [{"compile": False}, {"custom_objects": {"Dense": "os"}}], ids=str
)
def test_cve_2025_9905_no_argument_makes_it_believe_more(refused, copy_of, canary, arguments):
    for ending in DESCRIBED[:3]:
        path = copy_of(ending)
        payload = payloads(canary.parent / "made")["CVE-2024-3660 a Lambda with its code"]
        rewrite(
            path, lambda m, c, payload=payload: (PLACES["as a layer"](m, c, payload), (m, c))[1]
        )
        refused("load_model", path, **arguments)


@pytest.mark.parametrize("ending", DESCRIBED)
def test_cve_2025_9906_the_first_file_opens_no_door_for_the_second(
    oracle, copy_of, canary, tmp_path, ending
):
    first, second = copy_of(ending), tmp_path / f"second{ending}"
    second.write_bytes(first.read_bytes())
    hostile = payloads(canary.parent / "made")
    for path, name in (
        (first, "CVE-2025-9906 the switch"),
        (second, "CVE-2024-3660 a Lambda with its code"),
    ):
        rewrite(
            path, lambda m, c, name=name: (PLACES["as a layer"](m, c, hostile[name]), (m, c))[1]
        )
    answers = oracle.ask_all([("load_model", path, {}) for path in (first, second, first, second)])
    assert [(a.outcome, a.harm(10_000)) for a in answers] == [("refused", "")] * 4


def leaves(tree, path=()):
    """Yield the place of every text in a description."""
    if isinstance(tree, str):
        yield path
    elif isinstance(tree, dict):
        for key, item in tree.items():
            yield from leaves(item, (*path, key))
    elif isinstance(tree, list):
        for index, item in enumerate(tree):
            yield from leaves(item, (*path, index))


@pytest.mark.parametrize("ending", DESCRIBED)
def test_cve_2025_12058_no_text_of_a_description_is_a_path_or_an_address(
    oracle, copy_of, canary, ending
):
    """Every text in turn becomes a path and an address; nobody opens or calls it."""
    path = copy_of(ending)
    data = path.read_bytes()
    seen = {}
    rewrite(
        path, lambda model, compiled: (seen.update(both=[model, compiled]), (model, compiled))[1]
    )
    places = list(leaves(seen["both"]))
    assert len(places) >= 20
    with socket.create_server(("127.0.0.1", 0)) as server:
        calls = []
        server.settimeout(0.05)
        stop = threading.Event()

        def listen():
            while not stop.is_set():
                try:
                    calls.append(server.accept())
                except TimeoutError:
                    continue

        thread = threading.Thread(target=listen)
        thread.start()
        texts = (str(canary), f"file://{canary}", f"http://127.0.0.1:{server.getsockname()[1]}/")
        requests = []
        for number, place in enumerate(places):

            def change(model, compiled, place=place, text=texts[number % 3]):
                whole = [model, compiled]
                inner = whole
                for step in place[:-1]:
                    inner = inner[step]
                inner[place[-1]] = text
                return whole

            requests.append(("load_model", rewritten(path, number, change), {}))
        answers = oracle.ask_all(requests)
        stop.set()
        thread.join()
    assert not calls
    assert [answer.harm(len(data)) for answer in answers] == [""] * len(places)


NAMES_OF_LAYERS = {
    "climbs": "../../canary",
    "is absolute": "/etc/passwd",
    "holds NUL": "a\0b",
    "is a device of Windows": "CON",
    "has 10,000 characters": "x" * 10_000,
    "runs from right to left": "a\u202eb",
    "has no width": "a\u200bb",
    "clears the screen": "\x1b[2J\x1b]0;x\x07",
    "is empty": "",
}


@pytest.mark.parametrize("ending", DESCRIBED)
@pytest.mark.parametrize("what", NAMES_OF_LAYERS)
def test_cve_2026_12479_a_layers_name_is_no_path(oracle, copy_of, canary, ending, what):
    path = copy_of(ending)

    def change(model, compiled):
        (model.get("config", model))["layers"][-1]["config"]["name"] = NAMES_OF_LAYERS[what]
        return model, compiled

    rewrite(path, change)
    before = sorted(path.parent.rglob("*"))
    for action in ("load_model", "inspect"):
        answer = oracle.ask(action, path)
        assert answer.harm(path.stat().st_size) == ""
        assert all(c.isprintable() or c == "\n" for c in answer.text), answer.text
    assert sorted(path.parent.rglob("*")) == before


BOMBS = {
    "a layer of 10^12 units": ("units", 10**12),
    "a layer of 2^62 units": ("units", 2**62),
    "a layer of 30 million units": ("units", 30_000_000),
    "a layer of 10^39 units": ("units", 10**39),
    "a layer of -1 units": ("units", -1),
}


@pytest.mark.parametrize("ending", DESCRIBED)
@pytest.mark.parametrize("what", BOMBS)
def test_a_description_that_asks_for_more_than_the_file_holds_is_refused(
    refused, copy_of, ending, what
):
    path = copy_of(ending)
    key, value = BOMBS[what]

    def change(model, compiled):
        (model.get("config", model))["layers"][-1]["config"][key] = value
        return model, compiled

    rewrite(path, change)
    refused("load_model", path)


@pytest.mark.parametrize("ending", DESCRIBED)
def test_thousands_of_weights_that_do_not_fit_are_told_in_time(refused, copy_of, ending):
    path = copy_of(ending)

    def change(model, compiled):
        layers = (model.get("config", model))["layers"]
        for number in range(900):
            layer = copy.deepcopy(layers[-1])
            layer["config"]["name"] = f"other_{number}"
            layers.append(layer)
        return model, compiled

    rewrite(path, change)
    [answer] = refused("load_model", path, "lacks|layers with weights")
    assert len(answer.text) < 1_000_000


@pytest.mark.parametrize("ending", DESCRIBED)
def test_a_million_layers_are_refused_in_time(refused, copy_of, ending):
    path = copy_of(ending)

    def change(model, compiled):
        layers = (model.get("config", model))["layers"]
        small = {"class_name": "Flatten", "config": {}}
        layers.extend([small] * 100_000)
        return model, compiled

    rewrite(path, change)
    assert path.stat().st_size > 1_000_000
    refused("load_model", path)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (b'{"class_name": NaN}', "NaN"),
        (b'{"a": 1e999}', "bounds"),
        (b'{"class_name": "Sequential", "class_name": "Model"}', "twice"),
        (b"[" * 100_000 + b"]" * 100_000, "deeper"),
        (b'{"a": ' + b"1" * 5000 + b"}", "digits"),
        (b'{"a": [' + b"[]," * 1_100_000 + b"[]]}", "values"),
        (b'{"a": "' + b"x" * 17_000_000 + b'"}', "bytes"),
        (b'{"a": "\\ud800"}', "surrogate"),
        (b"\xff\xfe", "not whole JSON"),
        (b"", "not whole JSON"),
        (b"null", ""),
        (b"[]", ""),
        (b'"text"', ""),
        (b"{}", ""),
    ],
    ids=lambda value: repr(value)[:30],
)
def test_json_that_other_parsers_would_take_is_refused(refused, copy_of, text, words):
    import zipfile

    from hostile.configs import rewrite_members

    path = copy_of(".keras")
    with zipfile.ZipFile(path) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    members["config.json"] = text
    rewrite_members(path, members)
    refused("load_model", path, words)
