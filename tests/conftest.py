import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]

# Scripts that record numbers from other libraries, which CI does not have.
collect_ignore_glob = ["parity/record_*.py", "interop/*.py"]


@pytest.fixture(scope="session")
def root():
    """The folder of the repository."""
    return ROOT


@pytest.fixture(scope="session")
def shared_data():
    """The folder of real data beside the repository; tests that need it are skipped without it."""
    folder = ROOT.parent / "shared" / "data"
    if not folder.is_dir():
        pytest.skip(f"the real data are not at {folder}")
    return folder


class Server(ThreadingHTTPServer):
    """A real HTTP server that behaves as told: `answer(handler)` runs for every request."""

    def __init__(self, answer):
        super().__init__(("127.0.0.1", 0), _Handler)
        self.answer = answer
        self.requests = []
        self.released = threading.Event()  # set at the end of the test: whoever hangs may go
        self.url = f"http://127.0.0.1:{self.server_port}"

    def handle_error(self, request, client_address):
        """Say nothing of clients that went away."""

    def stop(self):
        self.released.set()
        self.shutdown()
        self.server_close()


class _Handler(BaseHTTPRequestHandler):
    def do_POST(self):
        self.text = self.rfile.read(int(self.headers["Content-Length"])).decode()
        self.server.requests.append(self)
        self.server.answer(self)

    def do_CONNECT(self):
        self.server.answer(self)

    def status(self, code, **headers):
        self.send_response(code)
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()

    def log_message(self, format, *args):
        pass


@pytest.fixture
def serve():
    """Start servers that end with the test."""
    servers = []

    def start(answer=lambda handler: handler.status(200)):
        server = Server(answer)
        servers.append(server)
        threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
        return server

    yield start
    for server in servers:
        server.stop()
