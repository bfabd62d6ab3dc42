"""Streaming to a server that behaves, and to one that misbehaves in every way."""

import contextlib
import json
import multiprocessing
import socket
import threading
import time
import warnings
from urllib.parse import parse_qs

import numpy as np
import pytest
import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

import epochal
from epochal.callbacks import Callback, LambdaCallback, RemoteMonitor
from epochal.core.errors import UsageError, UsageTypeError

X = torch.linspace(-1, 1, 24).reshape(12, 2)
Y = X[:, :1]


def fitted(*callbacks, x=X, y=Y, **arguments):
    epochal.utils.set_random_seed(0)
    model = epochal.Model(nn.Linear(2, 1))
    model.compile("sgd", "mse", metrics=["mae"])
    model.fit(x, y, **{"epochs": 3, "verbose": 0, **arguments}, callbacks=list(callbacks))
    return model


def alive():
    return [thread for thread in threading.enumerate() if thread.name == "epochal-sender"]


def received(server, field="data"):
    return [json.loads(parse_qs(request.text)[field][0]) for request in server.requests]


def test_each_epoch_arrives_in_order_as_a_form_like_keras_sends_it(serve):
    server = serve()
    model = fitted(RemoteMonitor(server.url, headers={"X-Key": "1"}), validation_data=(X, Y))
    history = model.history.history
    assert received(server) == [
        {"epoch": epoch, **{name: values[epoch] for name, values in history.items()}}
        for epoch in range(3)
    ]
    first = server.requests[0]
    assert first.path == "/publish/epoch/end/"
    assert first.headers["Content-Type"] == "application/x-www-form-urlencoded"
    assert first.headers["X-Key"] == "1"
    assert not alive()


def test_send_as_json_makes_the_logs_the_body(serve):
    server = serve()
    fitted(RemoteMonitor(server.url, "/epochs", send_as_json=True), epochs=1)
    (request,) = server.requests
    assert request.path == "/epochs"
    assert request.headers["Content-Type"] == "application/json"
    assert list(json.loads(request.text)) == ["epoch", "loss", "mae"]


def test_what_other_callbacks_add_arrives_as_it_was_then(serve):
    class Adds(Callback):
        provides = ("f1", "matrix")
        matrix = np.zeros(2)

        def on_epoch_end(self, epoch, logs=None):
            self.matrix += 1
            logs["f1"] = float("nan")
            logs["matrix"] = self.matrix

    server = serve()
    # Behind it in the list, and changed in place before it is sent.
    adds = Adds()
    fitted(RemoteMonitor(server.url), adds, epochs=2)
    assert [event["matrix"] for event in received(server)] == [[1, 1], [2, 2]]
    assert [event["f1"] for event in received(server)] == [None, None]
    assert received(server)[0]["not_finite"] == {"f1": "NaN"}


def test_several_fits_in_a_row_count_on_and_leave_no_thread(serve):
    server = serve()
    monitor = RemoteMonitor(server.url)
    for _ in range(3):
        fitted(monitor, epochs=2)
        assert not alive()
    numbers = [request.headers["X-Epochal-Sequence"] for request in server.requests]
    assert numbers == ["1", "2", "3", "4", "5", "6"]
    assert monitor.state_dict() == {"sequence": 6}


def test_an_event_sent_again_keeps_its_number(serve):
    server = serve(lambda handler: handler.status(503 if len(server.requests) == 1 else 200))
    fitted(RemoteMonitor(server.url, flush_timeout=10), epochs=2)
    numbers = [request.headers["X-Epochal-Sequence"] for request in server.requests]
    assert numbers == ["1", "1", "2"]


def test_an_exception_in_training_still_sends_what_was_logged(serve):
    def fail(epoch, logs):
        if epoch == 1:
            raise RuntimeError("in the middle")

    server = serve()
    with pytest.raises(RuntimeError, match="in the middle"):
        fitted(RemoteMonitor(server.url), LambdaCallback(on_epoch_end=fail))
    assert [event["epoch"] for event in received(server)] == [0, 1]
    assert not alive()


def test_a_loop_of_ones_own_needs_no_more_than_the_epochs_and_a_close(serve):
    server = serve()
    monitor = RemoteMonitor(server.url)
    monitor.on_epoch_end(7, {"loss": 1})
    monitor.on_epoch_end(8)
    monitor.close()
    monitor.close()
    assert received(server) == [{"epoch": 7, "loss": 1}, {"epoch": 8}]


def test_evaluate_and_predict_alone_send_nothing(serve):
    server = serve()
    model = fitted()
    model.evaluate(X, Y, verbose=0, callbacks=[RemoteMonitor(server.url)])
    model.predict(X, verbose=0, callbacks=[RemoteMonitor(server.url)])
    assert not server.requests
    assert not alive()


def wait_forever(handler):
    handler.server.released.wait()


def drip(handler):
    with contextlib.suppress(OSError):
        handler.wfile.write(b"HTTP/1.1 200 OK\r\nX-Long: ")
        while not handler.server.released.wait(1):
            handler.wfile.write(b"x")


def hang_up(handler):
    handler.wfile.write(b"HTTP/1.1 2")
    handler.close_connection = True


MISBEHAVIOUR = {
    "500": (lambda handler: handler.status(500), "it answers 500 Internal Server Error"),
    "404": (lambda handler: handler.status(404), "it answers 404 Not Found"),
    "redirect": (lambda handler: handler.status(302, Location="http://x.test"), "x.test"),
    "hangs up": (hang_up, "its answer is not HTTP"),
    "never answers": (wait_forever, "it did not take them within 0.3 s"),
    "one byte a second": (drip, "it did not take them within 0.3 s"),
}


@pytest.mark.parametrize("kind", [*MISBEHAVIOUR, "nobody there"])
def test_a_server_that_misbehaves_changes_nothing_and_is_told_once(serve, kind):
    answer, reason = MISBEHAVIOUR.get(kind, (None, "connection refused"))
    if answer is None:
        with socket.create_server(("127.0.0.1", 0)) as gone:
            url = f"http://127.0.0.1:{gone.getsockname()[1]}"
    else:
        url = serve(answer).url
    alone = fitted(epochs=20)
    # One attempt may take ten minutes: a test that passes has waited for none of them. With an
    # answer the end comes as soon as it is known; without one, by the clock.
    flush = 0.3 if "0.3" in reason else 60
    monitor = RemoteMonitor(url, timeout=600, retries=0, flush_timeout=flush)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        model = fitted(monitor, epochs=20)
    assert model.history.history == alone.history.history
    assert np.array_equal(model.get_weights()[0], alone.get_weights()[0])
    (warning,) = caught
    assert warning.category is UserWarning
    text = str(warning.message)
    assert f"events did not reach {url}/publish/epoch/end/" in text
    assert reason in text
    assert not alive()


def test_a_slow_server_loses_nothing(serve):
    def slow(handler):
        time.sleep(0.02)
        handler.status(200)

    server = serve(slow)
    fitted(RemoteMonitor(server.url, flush_timeout=60), epochs=20)
    assert [event["epoch"] for event in received(server)] == list(range(20))


def test_a_loss_is_told_while_training_goes_on_and_counted_at_the_end(serve, capsys):
    monitor = RemoteMonitor(serve(lambda handler: handler.status(404)).url, flush_timeout=0.3)
    monitor.on_train_begin()
    epochs = 0
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        while not caught and epochs < 1000:
            monitor.on_epoch_end(epochs, {"loss": 0.5})
            epochs += 1
            time.sleep(0.01)
        monitor.on_epoch_end(epochs, {"loss": 0.5})
        monitor.on_train_end()
    (warning,) = caught
    assert "Training goes on" in str(warning.message)
    said = capsys.readouterr().out
    assert said == (
        f"RemoteMonitor: {epochs + 1} of {epochs + 1} events did not reach {monitor.address}: "
        "it answers 404 Not Found\n"
    )


def test_a_warning_shows_no_password_and_no_query(serve):
    url = serve(lambda handler: handler.status(401)).url.replace("//", "//ada:secret@")
    monitor = RemoteMonitor(url, "/x?key=secret", headers={"X-Key": "secret"}, retries=0)
    with pytest.warns(UserWarning, match="it answers 401") as caught:
        fitted(monitor)
    assert "secret" not in str(caught[0].message)


# Python 3.12 warns whenever a process with threads forks; a DataLoader's workers do.
@pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")
def test_workers_of_a_data_loader_are_harmless(serve):
    server = serve()
    loader = DataLoader(
        TensorDataset(X, Y), batch_size=4, num_workers=2, multiprocessing_context="fork"
    )
    fitted(RemoteMonitor(server.url), x=loader, y=None, epochs=2)
    assert [event["epoch"] for event in received(server)] == [0, 1]
    assert not alive()


@pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")
def test_a_forked_copy_sends_nothing_and_does_not_wait(serve):
    server = serve()
    monitor = RemoteMonitor(server.url, flush_timeout=600)
    monitor.on_epoch_end(0, {})

    def copy():
        monitor.on_epoch_end(1, {})
        monitor.close()

    child = multiprocessing.get_context("fork").Process(target=copy)
    child.start()
    child.join(60)
    assert child.exitcode == 0
    monitor.close()
    assert [event["epoch"] for event in received(server)] == [0]


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ({"root": "localhost:9000"}, "begin it with 'http://'"),
        ({"root": "http://"}, "names no host"),
        ({"path": None}, "path is None; give text"),
        ({"headers": {"a b": "1"}}, "header 'a b'"),
        ({"timeout": 0}, "timeout is 0"),
        ({"timeout": float("nan")}, "timeout is nan"),
        ({"queue_size": 0}, "queue_size is 0; give 1 or more"),
        ({"retries": -1}, "retries is -1; give 0 or more"),
        ({"flush_timeout": -1}, "flush_timeout is -1"),
        ({"flush_timout": 1}, "did you mean 'flush_timeout'"),
    ],
)
def test_what_cannot_work_is_an_error_when_it_is_made(arguments, says):
    with pytest.raises(UsageError) as caught:
        RemoteMonitor(**arguments)
    assert str(caught.value).startswith("RemoteMonitor: ")
    assert says in str(caught.value)


def test_a_number_instead_of_text_is_a_type_error():
    with pytest.raises(UsageTypeError, match="root is 9000"):
        RemoteMonitor(9000)
