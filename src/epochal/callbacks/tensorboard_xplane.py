"""A torch profile as an `XSpace`, the file that TensorBoard's Profile tab (xprof) reads.

No package that we need brings the message classes, so the few fields used are encoded here. Source:
`xplane.proto` of OpenXLA and https://protobuf.dev/programming-guides/encoding.
"""

from collections import defaultdict
from collections.abc import Mapping
from typing import Any

__all__ = ["xspace"]


def xspace(trace: Mapping[str, Any], host: str) -> bytes:
    """Return a Chrome trace as an encoded `XSpace`: a plane a device, a line a thread or stream.

    Args:
        trace: What `torch.profiler` exports: times in microseconds.
        host: The machine's name.
    """
    events = [e for e in trace["traceEvents"] if e.get("ph") == "X" and "tid" in e]
    threads = {
        (e["pid"], e["tid"]): str(e["args"]["name"])
        for e in trace["traceEvents"]
        if e.get("ph") == "M" and e.get("name") == "thread_name"
    }
    planes: dict[str, dict[Any, list[Any]]] = defaultdict(lambda: defaultdict(list))
    for event in events:
        category = str(event.get("cat", ""))
        if category == "Trace":  # the span of the profile itself, on a line of its own
            continue
        on_gpu = category == "kernel" or category.startswith("gpu_")
        name = f"/device:GPU:{event['pid']}" if on_gpu else "/host:CPU"
        planes[name][event["pid"], event["tid"]].append(event)
    began = min((event["ts"] for event in events), default=0.0)
    encoded = b""
    for number, (name, lines) in enumerate(sorted(planes.items()), start=1):
        encoded += _bytes(1, _plane(number, name, lines, threads, began))
    return encoded + _bytes(4, host.encode())


def _plane(
    number: int,
    name: str,
    lines: Mapping[Any, list[Any]],
    threads: Mapping[Any, str],
    began: float,
) -> bytes:
    numbers: dict[str, int] = {}
    plane = _varint(1, number) + _bytes(2, name.encode())
    for line_number, (thread, events) in enumerate(lines.items(), start=1):
        title = threads.get(thread, f"{'stream' if 'GPU' in name else 'thread'} {thread[1]}")
        line = _varint(1, line_number) + _bytes(2, title.encode())
        line += _varint(3, round(began * 1e3))
        for event in sorted(events, key=lambda event: event["ts"]):
            kind = numbers.setdefault(str(event["name"]), len(numbers) + 1)
            offset, duration = round((event["ts"] - began) * 1e6), round(event["dur"] * 1e6)
            line += _bytes(4, _varint(1, kind) + _varint(2, offset) + _varint(3, duration))
        plane += _bytes(3, line)
    for title, kind in numbers.items():
        about = _varint(1, kind) + _bytes(2, title.encode())
        plane += _bytes(4, _varint(1, kind) + _bytes(2, about))
    return plane


def _varint(field: int, value: int) -> bytes:
    return _number(field << 3) + _number(value)


def _bytes(field: int, value: bytes) -> bytes:
    return _number(field << 3 | 2) + _number(len(value)) + value


def _number(value: int) -> bytes:
    encoded = bytearray()
    while value > 0x7F:
        encoded.append(value & 0x7F | 0x80)
        value >>= 7
    encoded.append(value)
    return bytes(encoded)
