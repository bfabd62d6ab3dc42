"""HDF5 files that use what is never read, or whose structure lies."""

import struct
import warnings

import h5py
import numpy as np


def _soft(file, canary):
    file["link"] = h5py.SoftLink("/model_weights")


def _external(file, canary):
    file["link"] = h5py.ExternalLink(str(canary), "/secret")


def _external_storage(file, canary):
    file.create_dataset("x", (4,), "u1", external=[(str(canary), 0, 4)])


def _virtual(file, canary):
    layout = h5py.VirtualLayout((4,), "f4")
    layout[:] = h5py.VirtualSource(str(canary), "secret", (4,))
    file.create_virtual_dataset("x", layout)


def _reference(file, canary):
    file["target"] = [1.0]
    file.create_dataset("x", data=file["target"].ref, dtype=h5py.ref_dtype)


def _reference_in_an_attribute(file, canary):
    file["target"] = [1.0]
    file.attrs.create("x", file["target"].ref, dtype=h5py.ref_dtype)


def _region(file, canary):
    file["target"] = [1.0, 2.0]
    file.create_dataset("x", data=file["target"].regionref[:1], dtype=h5py.regionref_dtype)


def _bomb(file, canary):
    file.create_dataset("x", (50_000_000, 50_000_000), "f4", chunks=(1000, 1000), compression=9)


def _dense_bomb(file, canary):
    file.create_dataset("x", (50_000_000, 50_000_000), "f4")


def _unwritten(file, canary):
    file.create_dataset("x", (2000, 2000), "f4", fillvalue=3.0)


def _deflate_bomb(file, canary):
    # 40 MB of zeros in 40 kB; what is stored is all there.
    file.create_dataset("x", data=np.zeros((10_000, 1_000), "f4"), chunks=True, compression=9)


def _loop(file, canary):
    file["again"] = file["/"]


def _two_names(file, canary):
    file["x"] = [1.0]
    file["y"] = file["x"]


def _of_parts(file, canary):
    file["x"] = np.zeros(3, [("a", "f4"), ("b", "i4")])


def _opaque(file, canary):
    file["x"] = np.zeros(3, "V9")


def _ragged(file, canary):
    file.create_dataset("x", (3,), h5py.vlen_dtype(np.float32))


def _text(file, canary):
    file["x"] = ["a", "b"]


def _enumeration(file, canary):
    file.create_dataset("x", data=[0], dtype=h5py.enum_dtype({"A": 0, "B": 1}))


def _named_type(file, canary):
    file["x"] = np.dtype("f4")


def _lzf(file, canary):
    file.create_dataset("x", data=np.ones(9), chunks=(3,), compression="lzf")


def _scale_offset(file, canary):
    file.create_dataset("x", data=np.arange(9), chunks=(3,), scaleoffset=0)


def _checksum(file, canary):
    file.create_dataset("x", data=np.ones(9), chunks=(3,), fletcher32=True)


def _half_written(file, canary):
    file.create_dataset("x", (9,), "f4", chunks=(3,))[:3] = 1.0


def _deep(file, canary):
    file.create_group("/".join("a" * 150)).attrs["x"] = 1


def _escape(file, canary):
    file.create_group("a\x1b[2Jb")


def _right_to_left(file, canary):
    file.create_group("a\u202eb")


# Each by what it is: what it adds to a file, and words of the refusal.
ADDED = {
    "a soft link": (_soft, "soft link"),
    "a link to another file": (_external, "links? (to another file|in)"),
    "external storage": (_external_storage, "external storage"),
    "a virtual dataset": (_virtual, "virtual dataset"),
    "an object reference": (_reference, "references"),
    "a reference in an attribute": (_reference_in_an_attribute, "references"),
    "a region reference": (_region, "references"),
    "a shape bomb of fill values": (_bomb, "declares"),
    "a shape bomb in a row": (_dense_bomb, "declares"),
    "values that were never written": (_unwritten, "declares"),
    "pieces that were never written": (_half_written, "declares"),
    "a bomb of zeros": (_deflate_bomb, "declares"),
    "a group within itself": (_loop, "names"),
    "a dataset with two names": (_two_names, "names"),
    "values made of parts": (_of_parts, "compound"),
    "opaque values": (_opaque, "opaque"),
    "values of varying length": (_ragged, "varying length"),
    "text for numbers": (_text, "dataset of text"),
    "an enumeration": (_enumeration, "unknown"),
    "a named type": (_named_type, "neither a group nor a dataset"),
    "the filter lzf": (_lzf, "filters"),
    "the filter scale-offset": (_scale_offset, "filters"),
    "the filter fletcher32": (_checksum, "filters"),
    "150 groups in each other": (_deep, "nested deeper"),
    "a name that clears the screen": (_escape, "does not show"),
    "a name from right to left": (_right_to_left, "does not show"),
}


def add(data, folder, change, canary):
    """Return the bytes of a valid file after a change of its content."""
    path = folder / "changed.h5"
    path.write_bytes(data)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        with h5py.File(path, "r+") as file:
            change(file, canary)
    return path.read_bytes()


def _nodes(data, mark):
    found, at = [], data.find(mark)
    while at >= 0:
        found.append(at)
        at = data.find(mark, at + 1)
    return found


def _put(data, at, form, *values):
    return data[:at] + struct.pack(form, *values) + data[at + struct.calcsize(form) :]


def _neighbour_of_itself(data):
    [at, *_] = _nodes(data, b"TREE")
    return _put(data, at + 16, "<Q", at)


def _child_of_itself(data):
    [at, *_] = _nodes(data, b"TREE")
    data = _put(data, at + 5, "<B", 1)
    return _put(data, at + 32, "<Q", at)


def _one_leaf_for_two(data):
    *_, first, _, second, _ = _nodes(data, b"TREE")
    [leaf] = struct.unpack_from("<Q", data, second + 32)
    return _put(data, first + 32, "<Q", leaf)


def _a_group_that_is_its_own_member(data):
    [root] = struct.unpack_from("<Q", data, 64)
    [leaf, *_] = _nodes(data, b"SNOD")
    return _put(data, leaf + 16, "<Q", root)


def _huge_heap(data):
    [at, *_] = _nodes(data, b"GCOL")
    return _put(data, at + 8, "<Q", 2**62)


def _heap_object_beyond_its_heap(data):
    [at, *_] = _nodes(data, b"GCOL")
    return _put(data, at + 24, "<Q", 2**40)


def _names_elsewhere(data):
    [at, *_] = _nodes(data, b"HEAP")
    return _put(data, at + 24, "<Q", len(data) + 2**40)


def _climbing_name(data):
    for at in _nodes(data, b"HEAP"):
        [size, _, segment] = struct.unpack_from("<QQQ", data, at + 8)
        if size > 16 and data[segment + 8 : segment + 9].isalpha():
            return _put(data, segment + 8, "<3s", b"..\0")
    raise LookupError


def _name_with_a_slash(data):
    for at in _nodes(data, b"HEAP"):
        [size, _, segment] = struct.unpack_from("<QQQ", data, at + 8)
        if size > 16 and data[segment + 8 : segment + 9].isalpha():
            return _put(data, segment + 9, "<c", b"/")
    raise LookupError


# Each by what it is: what it does to the bytes of a valid file, and words of the refusal.
PATCHED = {
    "a tree that is its own neighbour": (_neighbour_of_itself, "neighbours"),
    "a tree that is its own child": (_child_of_itself, "shares"),
    "a group that is its own member": (_a_group_that_is_its_own_member, "shares"),
    "names outside of the file": (_names_elsewhere, "outside"),
    "a name that climbs": (_climbing_name, "a path"),
    "a name with a slash": (_name_with_a_slash, "a path"),
    "a file in a later style": (lambda d: _put(d, 8, "<B", 3), "libver"),
    "a base address": (lambda d: _put(d, 24, "<Q", 8), "damaged"),
    "a driver": (lambda d: _put(d, 48, "<Q", 96), "driver"),
    "something behind the end": (lambda d: d + b"PK\3\4", "behind its end"),
    "a file cut short": (lambda d: d[:-1], "cut short"),
}

# The same, for files that have attributes of text.
TEXTS = {
    "a heap of 2^62 bytes": (_huge_heap, "outside"),
    "a text longer than its heap": (_heap_object_beyond_its_heap, "damaged"),
}

# The same, for a file in which groups that are like each other come last.
ALIKE = {"a leaf of two trees": (_one_leaf_for_two, "shares")}
