"""A profile of some batches, in every form that TensorBoard reads.

- TensorBoard alone: the time of each call, in the Graphs tab (tag `batch_<n>`, "Profile").
- With the `xprof` package: the Profile tab, from `<host>.xplane.pb`.
- With `torch-tb-profiler`, and in Perfetto or chrome://tracing: `<host>.pt.trace.json.gz`.
"""

import contextlib
import gzip
import json
import socket
import tempfile
import time
from collections import defaultdict
from pathlib import Path
from typing import Any

from torch.profiler import ProfilerActivity, profile, record_function

from epochal.callbacks.tensorboard_events import EventWriter
from epochal.callbacks.tensorboard_xplane import xspace
from epochal.core.names import unique_name
from epochal.storage import atomic_write

__all__ = ["Profile", "run_metadata"]


class Profile:
    """One profile, running from when it is made until `stop`.

    Args:
        cuda: Whether to look at the GPU too.
    """

    def __init__(self, *, cuda: bool) -> None:
        kinds = [ProfilerActivity.CPU, *([ProfilerActivity.CUDA] if cuda else [])]
        self._profile: Any = profile(activities=kinds)  # torch leaves its methods unannotated
        self._batch = contextlib.ExitStack()
        self._profile.start()

    def begin_batch(self, step: int) -> None:
        """Mark where a batch begins, by the name that profile viewers look for."""
        self._batch.enter_context(record_function(f"ProfilerStep#{step}"))

    def end_batch(self) -> None:
        """Mark where the batch ends."""
        self._batch.close()

    def stop(self, writer: EventWriter, tag: str, step: int) -> Path:
        """End the profile and write it.

        Args:
            writer: For what TensorBoard shows by itself; the files go beside its own.
            tag: What the profile is called there.
            step: The last batch.

        Returns:
            The folder of the files.
        """
        self.end_batch()
        self._profile.stop()
        with tempfile.TemporaryDirectory() as scratch:
            self._profile.export_chrome_trace(f"{scratch}/trace.json")
            trace = Path(scratch, "trace.json").read_bytes()
        profiles = writer.folder / "plugins" / "profile"
        now = time.strftime("%Y_%m_%d_%H_%M_%S")
        folder = profiles / unique_name(now, lambda name: (profiles / name).exists())
        host = socket.gethostname()
        with atomic_write(folder / f"{host}.pt.trace.json.gz", make_folder=True) as file:
            file.write(gzip.compress(trace, 6))
        with atomic_write(folder / f"{host}.xplane.pb") as file:
            file.write(xspace(json.loads(trace), host))
        metadata = run_metadata(self._profile.events())
        writer.graph_extra(tag, "graph_run_metadata", metadata, step)
        return folder


def run_metadata(events: Any) -> bytes:
    """Return the time spent in each call, as the Graphs tab of TensorBoard shows it.

    Calls are nodes named by those around them (`ProfilerStep*/aten::linear/aten::addmm`); calls
    of one name in one place, in any batch, are one node: the sum of their times without what they
    call.

    Args:
        events: Those of a `torch.profiler` profile.
    """
    from tensorboard.compat.proto.config_pb2 import RunMetadata
    from tensorboard.compat.proto.graph_pb2 import GraphDef
    from tensorboard.compat.proto.node_def_pb2 import NodeDef
    from tensorboard.compat.proto.step_stats_pb2 import (
        DeviceStepStats,
        NodeExecStats,
        StepStats,
    )

    began: dict[str, float] = {}
    times: dict[str, dict[str, float]] = {"CPU": defaultdict(float), "GPU": defaultdict(float)}
    for event in events or ():
        if event.device_type.name != "CPU" or event.is_async:
            continue  # what ran on a GPU is in the times of the call that started it
        path = _path(event)
        began.setdefault(path, event.time_range.start)
        times["CPU"][path] += event.self_cpu_time_total
        if event.self_device_time_total:
            times["GPU"][path] += event.self_device_time_total
    graph = GraphDef(node=[NodeDef(name=path, op=path.rsplit("/", 1)[-1]) for path in began])

    def stats(path: str, micros: float) -> Any:
        took = max(1, round(micros))
        return NodeExecStats(
            node_name=path,
            all_start_micros=round(began[path]),
            op_end_rel_micros=took,
            all_end_rel_micros=took,
        )

    devices = [
        DeviceStepStats(
            device=f"/device:{kind}:0", node_stats=[stats(path, t) for path, t in spent.items()]
        )
        for kind, spent in times.items()
        if spent
    ]
    metadata = RunMetadata(step_stats=StepStats(dev_stats=devices))
    metadata.function_graphs.add().pre_optimization_graph.CopyFrom(graph)
    found: bytes = metadata.SerializeToString()
    return found


def _path(event: Any) -> str:
    names = []
    while event is not None:
        names.append(event.name.replace("/", "_"))
        event = event.cpu_parent
    return "/".join(reversed(names))
