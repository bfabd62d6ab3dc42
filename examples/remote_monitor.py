"""Streams every epoch to a server of yours; a chat is told at the end.

    python examples/remote_monitor.py --serve            with a small server of the example's own
    python examples/remote_monitor.py --root https://runs.example.org --chat https://...

The server may be slow or dead: training does not notice, and says once what did not arrive.
"""

import argparse
import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs

from sklearn.datasets import make_moons

import epochal
from epochal.callbacks import Callback, RemoteMonitor, Webhook
from epochal.layers import Dense


class Dashboard(BaseHTTPRequestHandler):
    """What a server has to do: read the form field `data`, and answer 200 once it is kept."""

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"])).decode()
        if self.path == "/chat":
            print("chat:", json.loads(body)["text"], sep="\n")
        else:
            event = json.loads(parse_qs(body)["data"][0])
            # The number tells an event that is sent again from a new one.
            number = self.headers["X-Epochal-Sequence"]
            print(f"event {number}: epoch {event['epoch']}, val_loss {event['val_loss']:.4f}")
        self.send_response(200)
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:
        """Leave the screen to the events."""


parser = argparse.ArgumentParser(description="Stream the logs of a training to a server.")
parser.add_argument("--root", default="http://localhost:9000", help="where the events go")
parser.add_argument("--chat", help="the address of a Slack-style webhook")
parser.add_argument("--serve", action="store_true", help="start a server to send them to")
parser.add_argument("--epochs", type=int, default=200)
options = parser.parse_args()

if options.serve:
    server = ThreadingHTTPServer(("127.0.0.1", 0), Dashboard)  # port 0: any that is free
    threading.Thread(target=server.serve_forever, daemon=True).start()
    options.root = f"http://127.0.0.1:{server.server_port}"
    options.chat = f"{options.root}/chat"

callbacks: list[Callback] = [RemoteMonitor(root=options.root)]
if options.chat:
    callbacks.append(Webhook(options.chat))

epochal.utils.set_random_seed(0)
x, y = make_moons(n_samples=1000, noise=0.2, random_state=1)
model = epochal.Sequential([Dense(100, activation="relu"), Dense(1, activation="sigmoid")])
model.compile(optimizer="adam", loss="binary_crossentropy", metrics=["acc"])
model.fit(x, y, validation_split=0.2, epochs=options.epochs, callbacks=callbacks, verbose=0)
print(f"trained {options.epochs} epochs; events went to {options.root}")
