import gzip
import hashlib
import struct
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import numpy as np
import pytest

PREFIX = Path(__file__).parents[2] / ".." / "shared" / "data" / "fashion_mnist"


@pytest.fixture(scope="session")
def prefix_folder():
    """The folder with the real first part of Fashion-MNIST."""
    if not any(PREFIX.glob("train-images*")):
        pytest.skip(f"the Fashion-MNIST prefix is not at {PREFIX.resolve()}")
    return PREFIX


def idx(array):
    """Return an array of bytes in idx form."""
    sizes = struct.pack(f">{array.ndim}I", *array.shape)
    return bytes([0, 0, 8, array.ndim]) + sizes + array.astype(np.uint8).tobytes()


@pytest.fixture(scope="session")
def small_files():
    """Four small files under the official names."""
    generator = np.random.default_rng(0)
    arrays = {
        "train-images-idx3-ubyte.gz": generator.integers(0, 256, (5, 28, 28)),
        "train-labels-idx1-ubyte.gz": np.arange(5),
        "t10k-images-idx3-ubyte.gz": generator.integers(0, 256, (2, 28, 28)),
        "t10k-labels-idx1-ubyte.gz": np.array([9, 0]),
    }
    return {name: gzip.compress(idx(array), mtime=0) for name, array in arrays.items()}


@pytest.fixture(scope="session")
def small_sums(small_files):
    return {name: hashlib.md5(data).hexdigest() for name, data in small_files.items()}


@pytest.fixture
def server(small_files, monkeypatch):
    """A real HTTP server: `server.bodies` by name, `server.cut` for bodies that end early."""
    monkeypatch.setenv("no_proxy", "127.0.0.1")

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            name = self.path.removeprefix("/")
            self.server.asked.append(name)
            if name not in self.server.bodies:
                return self.send_error(404, "Not Found")
            body = self.server.bodies[name]
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body[:-10] if name in self.server.cut else body)
            return None

        def log_message(self, *_):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.bodies, server.cut, server.asked = dict(small_files), set(), []
    server.url = f"http://127.0.0.1:{server.server_port}/"
    thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield server
    server.shutdown()
    server.server_close()
    thread.join()


@pytest.fixture
def cache(tmp_path, monkeypatch):
    """An empty cache folder of the test's own, and no other source of data."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.delenv("EPOCHAL_DATA", raising=False)
    return tmp_path / "epochal" / "fashion_mnist"
