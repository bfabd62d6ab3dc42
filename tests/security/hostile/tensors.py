"""safetensors files of which the header can be told what to say."""

import io
import json
import pickle
import tarfile

import torch


def make(header, body=b"", *, length=None):
    """Return a file: header as a dict, or as text."""
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    size = len(text) if length is None else length
    return size.to_bytes(8, "little") + text + body


def entry(shape=(1,), offsets=(0, 4), dtype="F32"):
    return {"dtype": dtype, "shape": list(shape), "data_offsets": list(offsets)}


FOUR = b"\0\0\0\0"
TWICE = b'{"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]},"a":{"dtype":"I32","shape":[1],'
TWICE += b'"data_offsets":[0,4]}}'

# Each by what it is: the file, and words of the refusal.
ATTACKS = {
    "a header of 2^63 bytes": (make({}, length=2**63), "not a safetensors file"),
    "a header longer than the file": (make({}, length=1000), "cut short"),
    "a header of 17 MB": (make(b"{" + b" " * 17_000_000 + b"}"), "not a safetensors file"),
    "a header that is a list": (make(b"[]"), "not a safetensors file"),
    "a key given twice": (make(TWICE, FOUR), "twice"),
    "NaN for a size": (
        make(b'{"a":{"dtype":"F32","shape":[NaN],"data_offsets":[0,4]}}', FOUR),
        "NaN",
    ),
    "an integer of 5,000 digits": (
        make(b'{"a":{"dtype":"F32","shape":[%s],"data_offsets":[0,4]}}' % (b"1" * 5000), FOUR),
        "5,000 digits",
    ),
    "lists 100,000 deep": (make(b'{"a":' + b"[" * 100_000 + b"}"), "deeper than"),
    "a million lists": (make(b'{"a":[' + b"[]," * 1_100_000 + b"[]]}"), "values"),
    "a shape of 2^62 by 2^62": (make({"a": entry((2**62, 2**62))}, FOUR), "needs"),
    "a shape bomb": (make({"a": entry((50_000_000, 50_000_000))}, FOUR), "needs"),
    "a shape without elements beyond all bounds": (
        make({"a": entry((0, 2**60, 2**60), (0, 0))}),
        "no machine",
    ),
    "a negative size": (make({"a": entry((-1, -1))}, FOUR), "damaged"),
    "a size that is no integer": (make({"a": entry((1.0,))}, FOUR), "damaged"),
    "a size that is true": (make({"a": entry((True,))}, FOUR), "damaged"),
    "a size that is text": (make({"a": entry(("1",))}, FOUR), "damaged"),
    "100 dimensions": (make({"a": entry((1,) * 100)}, FOUR), "damaged"),
    "offsets that go backwards": (make({"a": entry((1,), (4, 0))}, FOUR), "needs"),
    "offsets beyond the end": (make({"a": entry((1,), (4, 8))}, FOUR), "do not follow"),
    "two tensors in the same bytes": (make({"a": entry(), "b": entry()}, FOUR), "do not follow"),
    "a hole": (make({"a": entry(), "b": entry((1,), (8, 12))}, FOUR * 3), "do not follow"),
    "something behind the end": (make({"a": entry()}, FOUR + b"PK\3\4"), "belong to no tensor"),
    "an unknown type": (make({"a": entry(dtype="O64")}, FOUR), "'O64'"),
    "a type that is a dict": (make({"a": entry() | {"dtype": {}}}, FOUR), "'{}'"),
    "an unknown field": (make({"a": entry() | {"path": "/etc/passwd"}}, FOUR), "damaged"),
    "a tensor that is a number": (make({"a": 3}, FOUR), "damaged"),
    "metadata that is no text": (make({"__metadata__": {"a": 3}}), "not text"),
    "metadata that is a list": (make({"__metadata__": ["a"]}), "not text"),
    "a name that clears the screen": (
        make({"\x1b[2J\x1b]0;x\x07": entry()}, FOUR),
        "does not show",
    ),
    "a name from right to left": (make({"a\u202eb": entry()}, FOUR), "does not show"),
    "a name of 10,000 characters": (make({"a" * 10_000: entry()}, FOUR), "too long"),
    "an empty name": (make({"": entry()}, FOUR), "empty"),
    "half a surrogate pair": (make(b'{"__metadata__":{"a":"\\ud800"}}'), "surrogate"),
}


class Runs:
    """What runs a command when it is unpickled."""

    def __init__(self, command):
        self.command = command

    def __reduce__(self):
        import os

        return os.system, (self.command,)


def pickles(command):
    """Return pickled files in each form that torch has had, each of which runs a command."""
    hostile = Runs(command)
    plain = pickle.dumps(hostile)
    zipped, legacy, tarred = io.BytesIO(), io.BytesIO(), io.BytesIO()
    torch.save({"state": hostile}, zipped)
    torch.save({"state": hostile}, legacy, _use_new_zipfile_serialization=False)
    with tarfile.open(fileobj=tarred, mode="w") as archive:
        for name in ("sys_info", "pickle", "tensors", "storages"):
            member = tarfile.TarInfo(name)
            member.size = len(plain)
            archive.addfile(member, io.BytesIO(plain))
    return {
        "pickle": plain,
        "torch.save": zipped.getvalue(),
        "torch.save, before 1.6": legacy.getvalue(),
        "torch.save, as a tar": tarred.getvalue(),
    }
