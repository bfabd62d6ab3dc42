"""A chat is told how training went, once, and cannot harm it."""

import json
import threading

import pytest
import torch
from torch import nn

import epochal
from epochal.callbacks import Callback, LambdaCallback, Webhook
from epochal.core.errors import UsageError, UsageTypeError

X = torch.linspace(-1, 1, 24).reshape(12, 2)
Y = X[:, :1]


class Net(nn.Linear):
    pass


def fitted(*callbacks, model=None, **arguments):
    epochal.utils.set_random_seed(0)
    if model is None:
        model = epochal.Model(Net(2, 1))
        model.compile("sgd", "mse")
    model.fit(X, Y, **{"epochs": 3, "verbose": 0, **arguments}, callbacks=list(callbacks))
    return model


def raises(message="disk is full", epoch=1):
    def fail(at, logs):
        if at == epoch:
            raise RuntimeError(message)

    return LambdaCallback(on_epoch_end=fail)


def texts(server, field="text"):
    return [json.loads(request.text)[field] for request in server.requests]


def test_the_end_of_training_is_told_with_the_last_and_the_best_logs(serve):
    class Adds(Callback):
        provides = ("f1", "parts")

        def on_epoch_end(self, epoch, logs=None):
            logs["f1"] = [0.25, 0.75, 0.5][epoch]
            logs["parts"] = [1.0, 2.0]

    server = serve()
    model = fitted(Webhook(server.url, headers={"X-Key": "1"}), Adds())
    head, *values = texts(server)[0].splitlines()
    assert head.startswith("Net: training ended after 3 epochs in 0:0")
    assert values == [
        f"loss {model.history.history['loss'][-1]:.4g}",
        "f1 0.5 (best 0.75 in epoch 2)",
        "parts [1.0, 2.0]",
    ]
    (request,) = server.requests
    assert request.headers["Content-Type"] == "application/json"
    assert request.headers["X-Key"] == "1"
    assert not [t for t in threading.enumerate() if t.name == "epochal-sender"]


def test_a_failure_is_told_with_its_exception_which_is_raised_as_it_was(serve):
    server = serve()
    with pytest.raises(RuntimeError, match="disk is full"):
        fitted(Webhook(server.url, on="failure"), raises())
    text = texts(server)[0]
    assert "Net: training FAILED after 2 epochs" in text
    assert "\nRuntimeError: disk is full\nloss " in text


def test_a_failure_before_the_first_epoch_ends_and_a_key_press_are_told_too(serve):
    def interrupt(batch, logs):
        raise KeyboardInterrupt

    server = serve()
    with pytest.raises(KeyboardInterrupt):
        fitted(Webhook(server.url), LambdaCallback(on_train_batch_end=interrupt))
    assert "FAILED after 0 epochs" in texts(server)[0]
    assert texts(server)[0].endswith("\nKeyboardInterrupt")


def test_only_what_was_asked_for_is_told(serve):
    server = serve()
    fitted(Webhook(server.url, on="failure"))
    with pytest.raises(RuntimeError):
        fitted(Webhook(server.url, on="end"), raises())
    assert not server.requests


def test_a_failing_evaluation_is_no_training_even_after_one(serve):
    server = serve()
    hook = Webhook(server.url, on="failure")
    model = fitted(hook)

    def fail(batch, logs):
        raise RuntimeError

    with pytest.raises(RuntimeError):
        model.evaluate(X, Y, verbose=0, callbacks=[hook, LambdaCallback(on_test_batch_end=fail)])
    assert not server.requests


def test_a_fit_in_the_handler_of_another_failure_ends_well(serve):
    server = serve()
    try:
        raise MemoryError("the batch was too large")
    except MemoryError:
        fitted(Webhook(server.url))
    assert "training ended" in texts(server)[0]


def test_a_message_of_ones_own_is_a_format_or_a_function(serve):
    server = serve()
    fitted(Webhook(server.url, "{model} {event}: {loss:.0f} after {epochs}", field="content"))
    assert texts(server, "content") == ["Net end: 0 after 3"]
    fitted(Webhook(server.url, lambda report: f"{report.epochs} epochs, {report.error}"))
    assert json.loads(server.requests[1].text) == {"text": "3 epochs, None"}


def test_a_message_that_cannot_be_made_costs_neither_the_result_nor_the_news(serve):
    server = serve()
    with pytest.warns(UserWarning, match=r"message failed with KeyError\('los'\)"):
        model = fitted(Webhook(server.url, lambda report: str(report.logs["los"])))
    assert len(model.history.epoch) == 3
    assert "training ended" in texts(server)[0]


def test_a_misspelt_field_is_an_error_before_training(serve):
    server = serve()
    with pytest.raises(UsageError, match="unknown field 'los': did you mean 'loss'"):
        fitted(Webhook(server.url, "{los:.3f} {logs[loss]} {best}"))
    fitted(Webhook(server.url, "{logs[loss]:.0f} {best}", on="failure"))
    assert not server.requests


def test_a_step_of_ones_own_may_log_what_the_message_asks_for(serve):
    class Own(epochal.Model):
        def train_step(self, data):
            return {"surprise": 2.0}

    server = serve()
    model = Own(Net(2, 1))
    model.compile("sgd", "mse")
    fitted(Webhook(server.url, "{surprise}"), model=model)
    assert texts(server) == ["2.0"]


def test_a_chat_out_of_reach_is_one_warning_that_keeps_the_address_secret(serve):
    url = serve(lambda handler: handler.status(404)).url
    with pytest.warns(UserWarning, match="404") as caught:
        model = fitted(Webhook(f"{url}/services/secret"))
    assert len(model.history.epoch) == 3
    (warning,) = caught
    assert str(warning.message) == (
        f"Webhook: the message did not reach {url}/...: it answers 404 Not Found"
    )


def test_a_chat_that_never_answers_does_not_hold_up_the_end(serve):
    server = serve(lambda handler: handler.server.released.wait())
    with pytest.warns(UserWarning, match=r"did not take it within 0.2 s"):
        fitted(Webhook(server.url, timeout=600, flush_timeout=0.2))


def test_what_it_needs_to_go_on_after_a_restart_is_its_state(serve):
    server = serve()
    hook = Webhook(server.url)
    hook.on_train_begin()
    hook.on_epoch_end(0, {"loss": 0.5})
    other = Webhook(server.url)
    other.on_train_begin()
    other.load_state_dict(json.loads(json.dumps(hook.state_dict())))
    other.on_epoch_end(1, {"loss": 0.75})
    other.on_train_end()
    assert "after 2 epochs" in texts(server)[0]
    assert "loss 0.75 (best 0.5 in epoch 1)" in texts(server)[0]


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ({"url": "chat.test/hooks"}, "begin it with 'http://'"),
        ({"on": "ends"}, "did you mean 'end'"),
        ({"message": "{loss"}, "expected '}'"),
        ({"timeout": 0}, "timeout is 0"),
        ({"flush_timeout": -1}, "flush_timeout -1"),
        ({"retries": "no"}, "retries is 'no'"),
        ({"massage": ""}, "did you mean 'message'"),
    ],
)
def test_what_cannot_work_is_an_error_when_it_is_made(arguments, says):
    with pytest.raises(UsageError) as caught:
        Webhook(**{"url": "http://localhost", **arguments})
    assert says in str(caught.value)


def test_a_message_that_is_neither_text_nor_function_is_a_type_error():
    with pytest.raises(UsageTypeError, match="message is 3"):
        Webhook("http://localhost", 3)


def test_what_goes_wrong_while_a_failure_is_told_is_noted_on_it():
    class Falls(Callback):
        def failed(self, error):
            raise ValueError("and the messenger fell")

    with pytest.raises(RuntimeError, match="disk is full") as caught:
        fitted(Falls(), raises())
    assert any("Falls.failed raised ValueError" in note for note in caught.value.__notes__)
