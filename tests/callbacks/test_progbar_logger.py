import io
import os
import pty
import re
import subprocess
import sys
import time

import numpy as np
import pytest
from rich.console import Console
from torch import nn

import epochal
from epochal.callbacks import EarlyStopping, LambdaCallback, ProgbarLogger

X = np.linspace(0, 1, 64, dtype=np.float32).reshape(32, 2)
Y = X.sum(axis=1, keepdims=True)
LINE = re.compile(r"Epoch \d+/\d+ - 4 steps - \S+s - \S+s/step - loss: \S+ - mae: \S+")


def screen(written):
    """What a terminal shows after it got `written`: its lines, without colours."""
    lines, row, column = [""], 0, 0
    for text in re.findall(r"\x1b\[[?\d;]*[A-Za-z]|\r|\n|[^\x1b\r\n]+", written):
        if text == "\r":
            column = 0
        elif text == "\n":
            row, column = row + 1, 0
            lines += [""] * (row + 1 - len(lines))
        elif text.endswith("A") and text.startswith("\x1b"):
            row -= int(text[2:-1])
        elif text == "\x1b[2K":
            lines[row] = ""
        elif not text.startswith("\x1b"):
            lines[row] = lines[row][:column].ljust(column) + text + lines[row][column + len(text) :]
            column += len(text)
    return [line.rstrip() for line in lines if line.strip()]


def terminal(**keywords):
    return Console(force_terminal=True, file=io.StringIO(), width=100, _environ={}, **keywords)


def model(metrics=("mae",)):
    made = epochal.Model(nn.Linear(2, 1))
    made.compile("sgd", "mse", metrics=list(metrics))
    return made


def fit(console=None, callbacks=(), **keywords):
    """Fit 4 steps an epoch and return what the console was given."""
    console = console or terminal()
    arguments = {"epochs": 3, "batch_size": 8, "verbose": 1, **keywords}
    model().fit(X, Y, callbacks=[*callbacks, ProgbarLogger(console=console)], **arguments)
    return console.file.getvalue()


def pause(seconds):
    return lambda *_, **__: time.sleep(seconds)


def test_a_terminal_keeps_one_line_for_each_epoch_and_nothing_of_the_bar():
    shown = screen(fit())
    assert len(shown) == 3
    assert all(LINE.fullmatch(line) for line in shown), shown


def test_while_it_trains_a_terminal_shows_steps_rate_time_left_loss_and_metrics():
    shown = []
    console = terminal()
    # The bar is drawn at most every tenth of a second, and first at the end of batch 0.
    looker = LambdaCallback(
        on_train_batch_begin=lambda batch, logs: shown.append(screen(console.file.getvalue())),
        on_train_batch_end=pause(0.11),
    )
    fit(console, [looker], epochs=1)
    bar = r"Epoch 1/1 \u2501{6}\u2500{18}  1/4  \d+/s  0:0\d left  loss \d.\d{4}  mae \d.\d{4}"
    assert re.fullmatch(bar, shown[1][-1]), shown
    assert "3/4" in shown[3][-1]
    assert [len(lines) for lines in shown] == [0, 1, 1, 1]


def test_validation_says_how_far_it_is():
    shown = []
    console = terminal()
    looker = LambdaCallback(on_test_batch_end=pause(0.11))
    after = LambdaCallback(
        on_test_batch_begin=lambda batch, logs: shown.append(screen(console.file.getvalue())[-1])
    )
    fit(console, [looker, after], epochs=1, validation_data=(X, Y))
    assert shown[-1].endswith("validating, batch 3")


def test_what_a_callback_prints_stands_above_the_bar(monkeypatch):
    console = terminal()
    monkeypatch.setattr(sys, "stdout", console.file)
    printer = LambdaCallback(on_epoch_end=lambda epoch, logs: print(f"said in epoch {epoch}"))
    shown = screen(fit(console, [printer], epochs=2))
    assert [line[:15] for line in shown] == [
        "said in epoch 0",
        "Epoch 1/2 - 4 s",
        "said in epoch 1",
        "Epoch 2/2 - 4 s",
    ]


def test_a_prediction_in_a_callback_leaves_one_plain_line_and_the_bar_in_order(monkeypatch):
    stream = terminal().file
    stream.isatty = lambda: True
    monkeypatch.setattr(sys, "stdout", stream)
    monkeypatch.setenv("TERM", "xterm")
    trained = model()
    inner = LambdaCallback(on_epoch_end=lambda epoch, logs: trained.predict(X))
    trained.fit(X, Y, epochs=2, batch_size=8, callbacks=inner)
    shown = screen(stream.getvalue())
    assert [line[:9] for line in shown] == ["Predict -", "Epoch 1/2", "Predict -", "Epoch 2/2"]


def test_many_short_epochs_leave_few_lines_and_always_the_first_and_the_last():
    stop = LambdaCallback(
        on_epoch_end=lambda epoch, logs: setattr(stop.model, "stop_training", epoch == 149)
    )
    shown = screen(fit(callbacks=[stop], epochs=10_000))
    assert shown[0].startswith("Epoch 1/10000 - ")
    assert shown[-1].startswith("Epoch 150/10000 - ")
    assert len(shown) < 150
    assert all(LINE.fullmatch(line) for line in shown)


def test_short_epochs_move_a_bar_over_the_epochs():
    drawn = []
    console = terminal()
    looker = LambdaCallback(
        on_epoch_begin=lambda epoch, logs: drawn.append(screen(console.file.getvalue())),
        on_epoch_end=lambda epoch, logs: time.sleep(0.09 if epoch in (2, 4) else 0),
    )
    fit(console, [looker], epochs=101)
    assert any(re.search(r"Epoch \d+/101 .*/epoch  0:\d\d left", lines[-1]) for lines in drawn[5:])


def test_data_of_unknown_length_show_their_length_from_the_second_epoch_on():
    class Batches:
        def __iter__(self):
            return ((X[i : i + 8], Y[i : i + 8]) for i in range(0, 32, 8))

    shown = []
    console = terminal()
    looker = LambdaCallback(
        on_train_batch_begin=lambda batch, logs: shown.append(screen(console.file.getvalue())),
        on_train_batch_end=pause(0.11),
    )
    model().fit(Batches(), epochs=2, callbacks=[looker, ProgbarLogger(console=console)])
    assert re.match(r"Epoch 1/2  1/\?  \d+/s  loss", shown[1][-1])
    assert re.match(r"Epoch 2/2 \S+  1/4  \d+/s  0:\d\d left", shown[5][-1])


def test_a_narrow_terminal_gets_whole_values_only():
    shown = []
    console = Console(force_terminal=True, file=io.StringIO(), width=62, _environ={})
    looker = LambdaCallback(
        on_train_batch_begin=lambda batch, logs: shown.append(screen(console.file.getvalue())),
        on_train_batch_end=pause(0.11),
    )
    fit(console, [looker], epochs=1)
    assert shown[1][-1].endswith(" left")
    assert "loss" not in shown[1][-1]


def test_a_terminal_without_unicode_gets_a_bar_it_can_show():
    console = Console(
        force_terminal=True,
        file=io.TextIOWrapper(io.BytesIO(), encoding="ascii"),
        width=100,
        _environ={},
    )
    made = model()
    made.fit(
        X,
        Y,
        batch_size=8,
        callbacks=[LambdaCallback(on_train_batch_end=pause(0.11)), ProgbarLogger(console=console)],
    )
    console.file.flush()
    assert "######" in console.file.buffer.getvalue().decode("ascii")


@pytest.mark.parametrize("verbose", [1, 2])
def test_a_pipe_gets_one_plain_line_an_epoch(capsys, verbose):
    model().fit(X, Y, epochs=200, batch_size=8, verbose=verbose)
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 200
    assert all(LINE.fullmatch(line) for line in lines)


def test_verbose_2_is_one_plain_line_an_epoch_on_a_terminal_too():
    written = fit(verbose=2)
    assert "\x1b" not in written
    assert len(written.splitlines()) == 3


def test_verbose_0_says_nothing(capsys):
    made = model()
    made.fit(X, Y, verbose=0)
    made.evaluate(X, Y, verbose=0)
    made.predict(X, verbose=0)
    assert capsys.readouterr().out == ""


def test_evaluate_and_predict_end_in_one_line_each():
    console = terminal()
    made = model()
    made.evaluate(X, Y, batch_size=8, callbacks=[ProgbarLogger(console=console)])
    made.predict(X, batch_size=8, callbacks=[ProgbarLogger(console=console)])
    evaluated, predicted = screen(console.file.getvalue())
    assert re.fullmatch(r"Evaluate - 4 steps - \S+ - \S+/step - loss: \S+ - mae: \S+", evaluated)
    assert re.fullmatch(r"Predict - 4 steps - \S+ - \S+/step", predicted)


def test_an_exception_takes_the_bar_off_the_screen_and_shows_the_cursor_again():
    console = terminal()

    def fail(batch, logs):
        if batch == 2:
            raise RuntimeError("no")

    failing = LambdaCallback(on_train_batch_begin=fail)
    with pytest.raises(RuntimeError, match="no"):
        fit(console, [failing])
    assert screen(console.file.getvalue()) == []
    assert console.file.getvalue().rindex("\x1b[?25h") > console.file.getvalue().rindex("\x1b[?25l")


def test_early_stopping_leaves_the_line_of_the_last_epoch():
    stopping = EarlyStopping(monitor="loss", min_delta=1e9, patience=2)
    assert screen(fit(callbacks=[stopping], epochs=1000))[-1].startswith("Epoch 3/1000 - ")


def test_values_and_times_are_written_for_people():
    progress = ProgbarLogger()
    line = progress.line("t", 2, 3725.0, 75.2, {"a": 0.0, "b": -2e-4, "c": [1.0]})
    assert line == "t - 2 steps - 1h02m05s - 1m15s/step - a: 0.0000 - b: -2.0000e-04 - c: [1.0]"
    assert progress.line("t", 1, 0.002, 2e-5, {}) == "t - 1 steps - 2ms - 20us/step"
    assert progress.line("t", 0, 0.5, 0.0, None) == "t - 0 steps - 500ms"


SCRIPT = """
import numpy as np, epochal
from torch import nn
model = epochal.Model(nn.Linear(2, 1))
model.compile("sgd", "mse", metrics=["mae"])
model.fit(np.ones((32, 2)), np.ones((32, 1)), epochs=3, batch_size=8)
"""


def test_a_real_terminal_ends_up_with_the_lines_of_the_epochs():
    main, side = pty.openpty()
    environment = {**os.environ, "TERM": "xterm-256color", "COLUMNS": "120", "OMP_NUM_THREADS": "1"}
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT],
        stdout=side,
        stderr=side,
        stdin=side,
        env=environment,
        timeout=120,
        check=False,
    )
    os.close(side)
    written = b""
    try:
        while part := os.read(main, 65536):
            written += part
    except OSError:  # Linux ends a closed terminal's output so
        pass
    os.close(main)
    text = written.decode()
    assert done.returncode == 0, text
    assert "\x1b[?25l" in text  # it did draw a bar
    shown = screen(text)
    assert len(shown) == 3
    assert all(LINE.fullmatch(line) for line in shown), shown


def test_samples_can_be_counted_instead_of_steps(capsys):
    model().fit(X, Y, batch_size=8, epochs=1, callbacks=ProgbarLogger("samples"), verbose=2)
    assert f"Epoch 1/1 - {len(X)} samples - " in capsys.readouterr().out
    model().fit(iter([(X, Y)] * 2), callbacks=ProgbarLogger("samples", stateful_metrics=["auc"]))
    assert f"{2 * len(X)} samples" in capsys.readouterr().out
    with pytest.raises(ValueError, match="did you mean 'samples'"):
        ProgbarLogger("sample")
