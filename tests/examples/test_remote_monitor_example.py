"""The example that streams its logs: to its own server, to another, and to none."""

import json
import socket
import subprocess
import sys
from urllib.parse import parse_qs


def run(root, *arguments):
    return subprocess.run(
        [sys.executable, "examples/remote_monitor.py", "--epochs", "5", *arguments],
        cwd=root,
        capture_output=True,
        text=True,
        timeout=120,
        check=True,
    )


def test_its_own_server_shows_every_epoch_and_the_message_at_the_end(root):
    lines = run(root, "--serve").stdout.splitlines()
    assert [line.partition(", ")[0] for line in lines[:5]] == [
        f"event {epoch + 1}: epoch {epoch}" for epoch in range(5)
    ]
    assert lines[5] == "chat:"
    assert "training ended after 5 epochs" in lines[6]
    assert lines[-1].startswith("trained 5 epochs")


def test_another_server_gets_the_same(root, serve):
    server = serve()
    run(root, "--root", server.url)
    events = [json.loads(parse_qs(request.text)["data"][0]) for request in server.requests]
    assert [event["epoch"] for event in events] == list(range(5))
    assert set(events[0]) == {"epoch", "loss", "acc", "val_loss", "val_acc"}


def test_without_any_server_it_trains_and_warns(root):
    with socket.create_server(("127.0.0.1", 0)) as gone:
        address = f"http://127.0.0.1:{gone.getsockname()[1]}"
    done = run(root, "--root", address)
    assert "trained 5 epochs" in done.stdout
    assert done.stderr.count("UserWarning") == 1
    assert f"5 of 5 events did not reach {address}/publish/epoch/end/" in done.stderr
