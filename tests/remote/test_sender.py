"""Events on their way: their order, what is dropped, what is sent again, how the thread ends."""

import threading

import pytest

from epochal.remote import Endpoint, Request, Sender


def alive():
    return [thread for thread in threading.enumerate() if thread.name == "epochal-sender"]


def sender_to(server, **keywords):
    def request(event):
        return Request(str(event).encode(), {})

    settings = {"timeout": 5.0, "queue_size": 100, "retries": 3, **keywords}
    return Sender(Endpoint(server.url, {}), request, **settings)


def texts(server):
    return [request.text for request in server.requests]


def test_events_arrive_in_the_order_they_were_put_and_the_thread_ends(serve):
    server = serve()
    sender = sender_to(server)
    for event in range(50):
        sender.put(event)
    sender.close(10)
    assert texts(server) == [str(event) for event in range(50)]
    assert (sender.accepted, sender.delivered, sender.lost, sender.reason) == (50, 50, 0, "")
    assert not alive()


def test_of_too_many_waiting_events_the_oldest_are_dropped_and_counted(serve):
    all_put, started = threading.Event(), threading.Event()

    def answer(handler):
        started.set()
        all_put.wait(10)
        handler.status(200)

    server = serve(answer)
    sender = sender_to(server, queue_size=2)
    sender.put(0)
    assert started.wait(10)
    for event in range(1, 6):
        sender.put(event)
    all_put.set()
    sender.close(10)
    assert texts(server) == ["0", "4", "5"]
    assert sender.lost == 3
    assert sender.reason == "it has not answered so far"


def test_a_server_that_falls_behind_is_told_apart_from_a_silent_one(serve):
    seen = threading.Semaphore(0)

    def answer(handler):
        seen.release()
        if handler.text != "0":
            handler.server.released.wait()
        handler.status(200)

    sender = sender_to(serve(answer), queue_size=1, timeout=600)
    for event in (0, 1):
        sender.put(event)
        assert seen.acquire(timeout=10)
    for event in (2, 3, 4):
        sender.put(event)
    sender.close(0)
    assert sender.delivered == 1
    assert sender.reason == "it takes events more slowly than they come"


def test_an_event_that_failed_is_sent_again_before_the_next(serve):
    server = serve(lambda handler: handler.status(503 if len(server.requests) == 1 else 200))
    sender = sender_to(server)
    sender.put("a")
    sender.put("b")
    sender.close(10)
    assert texts(server) == ["a", "a", "b"]
    assert sender.lost == 0


def test_an_event_is_given_up_after_its_retries_and_the_next_has_its_turn(serve):
    server = serve(lambda handler: handler.status(500 if handler.text == "bad" else 200))
    sender = sender_to(server, retries=1)
    sender.put("bad")
    sender.put("good")
    sender.close(10)
    assert texts(server)[:2] == ["bad", "bad"]
    assert sender.lost == sender.accepted - sender.delivered >= 1
    assert sender.reason == "it answers 500 Internal Server Error"


def test_a_request_that_the_server_calls_wrong_is_not_repeated(serve):
    server = serve(lambda handler: handler.status(404 if handler.text == "a" else 200))
    sender = sender_to(server)
    sender.put("a")
    sender.put("b")
    sender.close(10)
    assert texts(server) == ["a", "b"]
    assert (sender.delivered, sender.lost) == (1, 1)
    assert sender.reason == "it answers 404 Not Found"


def test_a_server_that_keeps_failing_gets_one_last_attempt_at_the_end(serve):
    failed = threading.Semaphore(0)

    def answer(handler):
        handler.status(500)
        failed.release()

    server = serve(answer)
    sender = sender_to(server, retries=0)
    for event in range(100):
        sender.put(event)
    assert failed.acquire(timeout=10)
    sender.close(600)
    assert len(server.requests) <= 3
    assert (sender.delivered, sender.lost) == (0, 100)
    assert not alive()


@pytest.mark.parametrize("flush", [0, 0.3])
def test_closing_waits_no_longer_than_it_was_told_whatever_the_server_does(serve, flush):
    server = serve(lambda handler: handler.server.released.wait())
    sender = sender_to(server, timeout=600)
    for event in range(3):
        sender.put(event)
    sender.close(flush)  # returns, though an attempt may take ten minutes
    assert (sender.delivered, sender.lost) == (0, 3)
    assert sender.reason == f"it did not take them within {flush} s of the end"
    assert not alive()


def test_an_event_whose_text_cannot_be_made_is_counted_and_the_rest_goes_on(serve):
    class Broken:
        def __str__(self):
            raise RuntimeError("no text")

    server = serve()
    sender = sender_to(server)
    sender.put(Broken())
    sender.put("good")
    sender.close(10)
    assert texts(server) == ["good"]
    assert sender.lost == 1
    assert "RuntimeError('no text')" in sender.reason
