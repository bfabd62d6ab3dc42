import socket
from pathlib import Path
from threading import Thread

import pytest

from epochal.datasets.download import DownloadError, cache_folder, download
from epochal.storage import StorageError


def test_the_cache_is_where_the_desktop_rules_say(monkeypatch):
    monkeypatch.setenv("HOME", "/home/someone")
    for value in ("", "relative/path"):
        monkeypatch.setenv("XDG_CACHE_HOME", value)
        assert cache_folder("a") == Path("/home/someone/.cache/epochal/a")
    monkeypatch.setenv("XDG_CACHE_HOME", "/caches")
    assert cache_folder("a") == Path("/caches/epochal/a")


def test_a_file_on_the_disk_is_replaced_only_by_a_good_one(server, small_sums, tmp_path):
    name = "train-labels-idx1-ubyte.gz"
    (tmp_path / name).write_bytes(b"old")
    with pytest.raises(DownloadError, match="expected 0"):
        download(server.url + name, tmp_path / name, "0")
    assert (tmp_path / name).read_bytes() == b"old"
    download(server.url + name, tmp_path / name, small_sums[name])
    assert (tmp_path / name).read_bytes() == server.bodies[name]


def serve_once(answer):
    """Answer one connection with raw bytes, or not at all until the caller gives up."""
    listener = socket.create_server(("127.0.0.1", 0))

    def run():
        connection, _ = listener.accept()
        with connection:
            connection.recv(10_000)
            if answer is None:
                connection.recv(1)  # returns when the other side closes
            else:
                connection.sendall(answer)

    thread = Thread(target=run)
    thread.start()
    return listener, thread, f"http://127.0.0.1:{listener.getsockname()[1]}/a"


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (b"garbage\r\n\r\n", "cannot be fetched: garbage"),
        (b"", "closed connection"),
        (None, "timed out"),
    ],
)
def test_a_server_that_talks_nonsense_or_nothing_is_an_error(tmp_path, monkeypatch, answer, words):
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    listener, thread, url = serve_once(answer)
    with listener, pytest.raises(DownloadError, match=words):
        download(url, tmp_path / "a", "0", timeout=0.2 if answer is None else 10)
    thread.join()
    assert not (tmp_path / "a").exists()


def test_a_disk_that_cannot_be_written_is_not_blamed_on_the_network(server, tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(StorageError, match="Not a directory"):
        download(server.url, tmp_path / "file" / "a", "0")
    assert server.asked == []
