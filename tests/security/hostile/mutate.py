"""Valid files, changed: bytewise, and by what their structure means.

Every change comes from a number alone, so that an input can be made again from the seed that a
failing run prints.
"""

import copy
import io
import json
import random
import struct
import zipfile
import zlib

from hostile import zips

INTERESTING = (
    *(0, 1, 2, 3, 7, 8, 15, 16, 31, 32, 64, 127, 128, 255, 256, 512, 4096, 65535, 65536),
    *(2**31 - 1, 2**31, 2**32 - 1, 2**32, 2**48, 2**62, 2**63 - 1, 2**63, 2**64 - 8, 2**64 - 1),
)
HDF5_MARKS = (
    b"TREE",
    b"SNOD",
    b"HEAP",
    b"GCOL",
    b"FRHP",
    b"FHDB",
    b"FHIB",
    b"BTHD",
    b"BTLF",
    b"BTIN",
)
MARKS = (*HDF5_MARKS, b"PK\1\2", b"PK\3\4", b"PK\5\6")
VALUES = (
    *(None, True, False, 0, -1, 1, 3, 2**31, 2**40, 2**63, 10**39, 0.5, -0.0, 1e308, "", "x"),
    *("relu", "adam", "mse", "Dense", "Lambda", "Sequential", "../x", "\x1b[2J", "\u202e", "None"),
    *([], {}, [[]], [None], {"class_name": "Dense"}, {"class_name": "Dense", "config": {}}),
    {"class_name": "__tuple__", "items": [1, 2]},
    {"class_name": "Zeros", "config": {"x": 1}},
)


def mutant(data, ending, seed):
    """Return a file of a kind, changed as a number says."""
    choose = random.Random(seed)
    inner = {".keras": _archive, ".epochal": _archive, ".safetensors": _tensors}.get(ending, _hdf5)
    if choose.random() < 0.6:
        data = inner(data, choose)
    if choose.random() < 0.6:
        data = _bytes(data, choose)
    return data


def _bytes(data, choose):
    """Change some bytes, wherever they are; most often where a structure begins."""
    changed = bytearray(data)
    for _ in range(choose.choice((1, 1, 1, 2, 4, 16))):
        if not changed:
            return b"\0"
        at = _place(changed, choose)
        kind = choose.randrange(8)
        if kind == 0:
            changed[at] ^= 1 << choose.randrange(8)
        elif kind == 1:
            changed[at] = choose.choice((0, 1, 0x7F, 0x80, 0xFF))
        elif kind == 2:
            _write(changed, at, choose.choice(("<H", "<L", "<Q")), choose.choice(INTERESTING))
        elif kind == 3:
            del changed[at : at + choose.choice((1, 2, 8, 100))]
        elif kind == 4:
            changed[at:at] = bytes(choose.randrange(256) for _ in range(choose.choice((1, 8, 64))))
        elif kind == 5:
            other, size = choose.randrange(len(changed)), choose.choice((1, 8, 24, 40, 512))
            changed[at : at + size] = changed[other : other + size]
        elif kind == 6 and choose.random() < 0.3:
            del changed[at:]
        else:
            _write(changed, at, "<Q", choose.randrange(len(changed) + 1))
    return bytes(changed)


def _place(data, choose):
    if choose.random() < 0.5:
        return choose.randrange(len(data))
    found = data.find(choose.choice(MARKS), choose.randrange(len(data)))
    start = found if found >= 0 else 0
    return min(start + choose.randrange(64), len(data) - 1)


def _write(data, at, form, value):
    size = struct.calcsize(form)
    data[at : at + size] = struct.pack(form, value % 2 ** (8 * size))[: len(data) - at]


def _hdf5(data, choose):
    """Change a field that means something: an address, a size, a count, a message's type."""
    changed = bytearray(data)
    for _ in range(choose.choice((1, 1, 2, 3))):
        spots = [at for mark in HDF5_MARKS for at in _find(changed, mark)]
        headers = _headers(changed)
        at = choose.choice(spots + headers) if spots else 0
        offset = choose.choice((4, 5, 6, 8, 16, 24, 32, 40, 48, 56, 64))
        form = choose.choice(("<B", "<H", "<L", "<Q"))
        pool = [*spots, *headers, len(changed), len(changed) - 8, choose.choice(INTERESTING)]
        _write(changed, min(at + offset, len(changed) - 8), form, choose.choice(pool))
    return bytes(changed)


def _headers(data):
    """Return places that look like object headers or their messages."""
    found = []
    for at in range(96, len(data) - 16, 8):
        version, reserved, kind = data[at], data[at + 1], data[at]
        if (version == 1 and not reserved and 0 < data[at + 2] < 20) or kind in (3, 8, 12, 16, 17):
            found.append(at)
    return found or [0]


def _find(data, mark):
    places, at = [], data.find(mark)
    while at >= 0:
        places.append(at)
        at = data.find(mark, at + 1)
    return places


def _archive(data, choose):
    """Change a member, or what the headers say of the members."""
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        parts = [zips.Part(name.encode(), archive.read(name)) for name in archive.namelist()]
    part = choose.choice(parts)
    kind = choose.randrange(10)
    if kind < 6:
        if part.name.endswith(b".json"):
            part.data = _json(part.data, choose)
        elif part.name.endswith(b".safetensors"):
            part.data = _tensors(part.data, choose)
        else:
            part.data = _hdf5(part.data, choose)
    elif kind == 6:
        change, _ = choose.choice(list(zips.ATTACKS.values())[:-1])
        parts = change(parts)
    elif kind == 7:
        part.method = 8
        packed = bytearray(zips.deflate(part.data))
        packed[choose.randrange(len(packed))] ^= 1 << choose.randrange(8)
        part.packed = bytes(packed)
    elif kind == 8:
        field = choose.choice(("size", "local_size", "crc"))
        setattr(part, field, choose.choice(INTERESTING) % 2**32)
    else:
        choose.shuffle(parts)
        parts = parts[: choose.randrange(len(parts) + 1)]
    return zips.make(parts)


def _json(text, choose):
    """Change values, keys and the shape of a JSON text."""
    try:
        tree = json.loads(text)
    except ValueError:
        return _bytes(text, choose)
    for _ in range(choose.choice((1, 1, 2, 4))):
        places = list(_places(tree))
        if not places:
            break
        owner, key = choose.choice(places)
        kind = choose.randrange(6)
        if kind == 0:
            del owner[key]
        elif kind == 1 and isinstance(owner, dict):
            owner[choose.choice(("name", "units", "config", "x", "class_name", ""))] = owner.pop(
                key
            )
        elif kind == 2:
            other, name = choose.choice(places)
            try:
                owner[key] = json.loads(json.dumps(other[name]))
            except (KeyError, IndexError):
                continue
        elif kind == 3 and isinstance(owner, list):
            owner.extend(copy.deepcopy(owner[key]) for _ in range(choose.choice((1, 5, 200))))
        else:
            owner[key] = copy.deepcopy(choose.choice(VALUES))
    written = json.dumps(tree).encode()
    return _bytes(written, choose) if choose.random() < 0.1 else written


def _places(tree):
    pairs = tree.items() if isinstance(tree, dict) else enumerate(tree)
    for key, value in list(pairs) if isinstance(tree, (dict, list)) else ():
        yield tree, key
        if isinstance(value, (dict, list)):
            yield from _places(value)


def _tensors(data, choose):
    """Change the header, ours within it, or the place where it ends."""
    size = int.from_bytes(data[:8], "little")
    try:
        header = json.loads(data[8 : 8 + size])
        own = json.loads(header["__metadata__"]["epochal"])
    except (ValueError, KeyError):
        return _bytes(data, choose)
    kind = choose.randrange(4)
    if kind == 0:
        text = _json(json.dumps(header).encode(), choose)
    else:
        if kind == 1:
            own = json.loads(_loads_or(_json(json.dumps(own).encode(), choose), b"{}"))
        else:  # the description, with the right hash: what somebody would do who means harm
            notes = own["metadata"]
            name = choose.choice(list(notes))
            notes[name] = _json(notes[name].encode(), choose).decode("utf-8", "replace")
            own.pop("sha256", None)
        header["__metadata__"]["epochal"] = json.dumps(own)
        text = json.dumps(header).encode()
    return len(text).to_bytes(8, "little") + text + data[8 + size :]


def _loads_or(text, instead):
    try:
        json.loads(text)
    except ValueError:
        return instead
    return text


def attribute_mutant(data, seed):
    """Return an HDF5 file of which the descriptions in its attributes are changed; needs h5py."""
    import h5py

    choose = random.Random(seed)
    file = io.BytesIO(data)
    with h5py.File(file, "r+") as root:
        names = [name for name in ("model_config", "training_config") if name in root.attrs]
        if names:
            name = choose.choice(names)
            text = root.attrs[name]
            root.attrs[name] = (
                _json(text.encode(), choose).decode("utf-8", "replace").replace("\0", "")
            )
    return file.getvalue()


def checksum(data):
    """Return what an input is called."""
    return f"{zlib.crc32(data):08x}"
