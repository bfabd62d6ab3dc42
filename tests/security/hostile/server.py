"""Loads files in forked children that are watched: `python -m hostile.server`, for `oracle.py`.

torch and epochal are imported once; a child costs some milliseconds. A request is one line of JSON,
the answers are one line for each file.
"""

import contextlib
import io
import json
import os
import pathlib
import resource
import select
import shutil
import signal
import sys
import time

MORE_MEMORY = 512 * 2**20

# Whatever one of these tells of is something that loading a file has no business to do.
WATCHED = (
    "import", "exec", "compile", "code.__new__", "marshal.", "pickle.find_class", "os.system",
    "os.exec", "os.posix_spawn", "os.spawn", "os.fork", "os.startfile", "subprocess.", "socket.",
    "ctypes.", "os.mkdir", "os.rename", "os.remove", "os.rmdir", "os.symlink", "os.link",
    "os.truncate", "os.chmod", "os.chown", "os.utime", "os.putenv", "os.kill", "shutil.",
    "tempfile.", "urllib.", "ftplib.", "http.client.", "webbrowser.", "glob.", "os.walk",
    "pty.spawn", "sys.setprofile", "sys.settrace", "sys.addaudithook", "open", "cpython.run_",
)  # fmt: skip


class Watch:
    """An audit hook: Python tells it of what a program does, and it can never be taken off."""

    def __init__(self):
        self.path = None
        self.events = []
        self.opens = 0
        sys.addaudithook(self.hook)

    def hook(self, event, arguments):
        if self.path is None or not event.startswith(WATCHED):
            return
        if event == "import" and arguments[0] in sys.modules:
            return
        if event == "open":
            path, _, flags = arguments
            if isinstance(path, int):
                return
            writes = flags & (os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC)
            inside = os.path.realpath(path).startswith(self.path)  # the file, or of the folder
            if inside and not writes:
                self.opens += 1
                return
        self.events.append(f"{event}{arguments!r}"[:300])


def act(action, path, arguments):
    """Do one thing with a file; what is returned is put into the answer."""
    import epochal
    from epochal import cli, models, storage
    from epochal.storage import checkpoint_files

    if action == "load_model":
        model = models.load_model(path, **arguments)
        assert isinstance(model, epochal.Model) or hasattr(model, "predict")
        return type(model).__name__
    if action == "load_weights":
        network().load_weights(path, **arguments)
        return ""
    if action == "inspect":
        output = io.StringIO()
        with contextlib.redirect_stdout(output), contextlib.redirect_stderr(output):
            status = cli.main(["inspect", path])
        if status:
            raise epochal.core.errors.UsageError(output.getvalue())
        return output.getvalue()
    if action == "open_hdf5":
        with storage.open_hdf5(path) as root:
            return str(sum(int(item.read().size) for item in root.datasets()))
    if action == "open_archive":
        with storage.open_archive(path) as archive:
            return str(sum(len(archive.read(name)) for name in archive.names))
    if action == "load_tensors":
        tensors, _ = storage.load_tensors(path)
        return str(sum(tensor.numel() for tensor in tensors.values()))
    if action == "read_checkpoint":
        folder = pathlib.Path(path)
        manifest = checkpoint_files.read_manifest(folder)
        return str(len(checkpoint_files.read_checkpoint(folder, manifest).tensors))
    if action == "h5py":  # what our own reader stands in for
        import h5py

        with h5py.File(path) as file:
            file.visititems(lambda name, item: str(item))
        return ""
    if action == "unpickle":  # proves that the watchman sees
        import pickle

        with open(path, "rb") as file:
            pickle.load(file)
        return ""
    raise ValueError(action)


def network():
    """Return the model of which all valid files are."""
    import epochal
    from epochal.layers import Dense

    return epochal.Sequential([Dense(4, activation="relu", input_dim=3), Dense(1)])


def documented(error):
    """Return whether an error is one that a caller was told to expect."""
    from epochal.core.errors import UsageError
    from epochal.storage import StorageError
    from epochal.storage.sealed import DamagedError

    return isinstance(error, (UsageError, StorageError, DamagedError))


def memory():
    """Return the peak of resident memory since the last call of `forget_peak`, in bytes."""
    with open("/proc/self/status") as file:
        lines = dict(line.split(":", 1) for line in file if ":" in line)
    return int(lines["VmHWM"].split()[0]) * 1024, int(lines["VmSize"].split()[0]) * 1024


def forget_peak():
    with open("/proc/self/clear_refs", "w") as file:
        file.write("5")


def child(requests, answers):
    """Handle requests and write an answer each; runs in a process of its own."""
    watch = Watch()
    devnull = os.open(os.devnull, os.O_WRONLY)
    os.dup2(devnull, 1)
    _, size = memory()
    resource.setrlimit(resource.RLIMIT_AS, (size + MORE_MEMORY, size + MORE_MEMORY))
    for action, path, arguments in requests:
        forget_peak()
        before, _ = memory()
        watch.events, watch.opens = [], 0
        answer = {"outcome": "loaded", "text": "", "type": ""}
        start = time.perf_counter()
        watch.path = os.path.realpath(path)
        try:
            answer["text"] = act(action, path, arguments)
        except BaseException as error:
            watch.path = None
            answer["outcome"] = "refused" if documented(error) else "escaped"
            answer["type"] = type(error).__name__
            answer["text"] = str(error)
            if answer["outcome"] == "escaped":
                import traceback

                answer["trace"] = traceback.format_exc()
        watch.path = None
        answer["seconds"] = time.perf_counter() - start
        answer["events"], answer["opens"] = watch.events, watch.opens
        answer["memory"] = memory()[0] - before
        os.write(answers, json.dumps(answer).encode() + b"\n")


def handle(requests, limit):
    """Yield an answer for each request; a child that dies or hangs is replaced by another."""
    requests = list(requests)
    while requests:
        reading, writing = os.pipe()
        process = os.fork()
        if not process:
            os.close(reading)
            try:
                child(requests, writing)
            finally:
                os._exit(0)
        os.close(writing)
        with open(reading, "rb", buffering=0) as answers:
            rest = b""
            while requests:
                ready, _, _ = select.select([answers], [], [], limit)
                data = answers.read(65536) if ready else b""
                if not data:
                    break
                *lines, rest = (rest + data).split(b"\n")
                for line in lines:
                    requests.pop(0)
                    yield json.loads(line)
            if requests and not ready:
                os.kill(process, signal.SIGKILL)
        _, status = os.waitpid(process, 0)
        if requests:
            outcome = f"died ({status})" if ready else "hung"
            requests.pop(0)
            yield {
                "outcome": outcome,
                "opens": 0,
                "type": "",
                "text": "",
                "events": [],
                "memory": 0,
                "seconds": limit,
            }


def warm(folder):
    """Import what loading imports late, so that only what a file asks for is left to be seen."""
    from hostile.valid import valid_files

    for path in valid_files(folder).values():
        for action in ("load_model", "load_weights", "inspect"):
            for content in (path.read_bytes(), path.read_bytes()[:-9], b"", b"{"):
                with contextlib.suppress(Exception, SystemExit):
                    other = folder / f"warm-{path.name}"
                    other.write_bytes(content)
                    act(action, str(other), {})
    from rich.cells import cell_len

    cell_len("尾")  # reads its table of wide characters when the first one comes
    print(json.dumps("ready"), flush=True)


def main():
    """Answer requests until there are no more."""
    import tempfile
    from pathlib import Path

    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    folder = Path(tempfile.mkdtemp())
    try:
        warm(folder)
    finally:
        shutil.rmtree(folder)
    for line in sys.stdin:
        request = json.loads(line)
        for answer in handle(request["requests"], request["limit"]):
            print(json.dumps(answer), flush=True)


if __name__ == "__main__":
    main()
