"""What criteria would have done on a recorded curve, read from anything that records one."""

import io
import math
import sys
from types import SimpleNamespace

import pytest
import torch
from rich.console import Console

import epochal
from epochal.callbacks import CSVLogger, EarlyStopping, History
from epochal.core.errors import UsageError, UsageTypeError
from epochal.stopping import (
    Budget,
    GeneralizationLoss,
    LowProgress,
    MinimumEpochs,
    Patience,
    ProgressQuotient,
    SuccessiveIncreases,
    Threshold,
    paper_criteria,
    read_log,
    replay,
)

CURVE = {
    "loss": [1.0, 0.8, 0.6, 0.5, 0.4, 0.3],
    "val_loss": [1.0, 0.8, 0.9, 0.7, 0.75, 0.9],
    "test_loss": [1.1, 0.9, 0.9, 0.75, 0.74, 0.8],
}
THREE = [Patience(1), GeneralizationLoss(20), GeneralizationLoss(99)]


def test_each_row_has_the_papers_numbers():
    result = replay(CURVE, THREE)
    first, second, third = result.rows
    assert result.best is second
    assert (first.stopped_epoch, first.epochs, first.best_epoch, first.best_after) == (2, 3, 1, 2)
    assert (first.validation, first.test) == (0.8, 0.9)
    assert first.slowness == pytest.approx(3 / 6)
    assert first.redundancy == pytest.approx(3 / 2 - 1)
    assert first.badness == pytest.approx(0.9 / 0.75)
    assert (second.stopped_epoch, second.epochs, second.best_after) == (5, 6, 4)
    assert second.redundancy == pytest.approx(6 / 4 - 1)
    assert (second.slowness, second.badness) == (1, 1)
    assert second.reason == "GL 28.57 % > 20 %"
    assert (third.stopped_epoch, third.epochs, third.badness) == (None, 6, 1)


def test_among_equals_the_best_is_the_one_that_stops_first():
    result = replay(CURVE, [GeneralizationLoss(99), GeneralizationLoss(5)])
    assert result.best is result.rows[0]
    result = replay({"val_loss": [1.0, 2.0, 3.0]}, [GeneralizationLoss(150), Patience(1)])
    assert result.best is result.rows[1]


def test_without_a_test_column_badness_is_of_validation():
    result = replay({"val_loss": CURVE["val_loss"]}, THREE)
    assert result.rows[0].test is None
    assert result.rows[0].badness == pytest.approx(0.8 / 0.7)


def test_values_to_maximise_are_replayed_as_such():
    curve = {"val_acc": [0.5, 0.8, 0.7, 0.9, 0.6]}
    result = replay(curve, [Patience(1), Patience(3)], monitor="val_acc")
    assert [row.validation for row in result.rows] == [0.8, 0.9]
    assert result.rows[0].badness == pytest.approx(0.9 / 0.8)


@pytest.mark.parametrize(
    ("values", "badness"),
    [([0.5, 1.0, 0.0], math.inf), ([0.0, 1.0, 0.0], 1.0), ([-1.0, 1.0, -2.0], math.nan)],
)
def test_badness_against_zero_or_below_says_no_more_than_it_can(values, badness):
    row = replay({"val_loss": values}, [Patience(1), Patience(9)]).rows[0]
    assert row.badness == pytest.approx(badness, nan_ok=True)


@pytest.mark.parametrize("make", [lambda: Patience(2), lambda: GeneralizationLoss(3)])
def test_it_foretells_what_early_stopping_does(make):
    result = replay(CURVE, [make()]).rows[0]
    stopping = EarlyStopping(criterion=make())
    stopping.set_model(SimpleNamespace(stop_training=False))
    stopping.on_train_begin()
    for epoch in range(6):
        stopping.on_epoch_end(epoch, {name: values[epoch] for name, values in CURVE.items()})
        if stopping.model.stop_training:
            break
    assert stopping.stopped_epoch == result.stopped_epoch
    assert (stopping.best_epoch, stopping.best) == (result.best_epoch, result.validation)


def fitted(*callbacks, **arguments):
    torch.manual_seed(0)
    model = epochal.Sequential([epochal.layers.Dense(1, input_dim=2)])
    model.compile("sgd", "mse")
    x = torch.arange(40.0).reshape(20, 2) / 40
    return model.fit(
        *(x, x.sum(1, keepdim=True)),
        epochs=6,
        validation_split=0.25,
        verbose=0,
        callbacks=list(callbacks),
        **arguments,
    )


@pytest.mark.parametrize("separator", [",", ";", "\t", "|", " "])
def test_a_history_and_the_file_of_the_same_run_agree(tmp_path, separator):
    path = tmp_path / "log.csv"
    history = fitted(CSVLogger(path, separator=separator), validation_freq=2)
    criteria = [GeneralizationLoss(1), ProgressQuotient(0.1, strip=2), LowProgress(50, strip=3)]
    ours, read = replay(history, criteria), replay(path, criteria)
    assert [value is None for value in ours.curve.validation] == [True, False] * 3
    assert ours.rows == read.rows
    assert ours.rows == replay(str(path), criteria).rows


def test_a_file_of_keras_with_na_and_a_broken_off_column_is_read(tmp_path):
    path = tmp_path / "keras.csv"
    path.write_text(
        "epoch,accuracy,loss,val_accuracy,val_loss\n0,0.5,1.0,0.5,1.0\n1,0.6,0.9,NA,NA\n"
        "\n2,0.6,0.8,0.6,1.2\n",
        newline="",
    )
    patience = Patience(1)
    result = replay(path, patience)
    assert list(result.curve.validation) == [1.0, None, 1.2]
    assert (result.rows[0].stopped_epoch, result.rows[0].best_epoch) == (2, 0)
    path.write_bytes(b"\xef\xbb\xbf" + path.read_bytes().replace(b"\n", b"\r\n"))
    assert replay(path, patience).rows == result.rows


def test_a_history_of_keras_has_no_epochs_of():
    keras = SimpleNamespace(history=dict(CURVE), epoch=list(range(6)))
    assert replay(keras, THREE).rows == replay(CURVE, THREE).rows
    keras.history["val_loss"] = [1.0, 0.5]
    with pytest.raises(UsageError, match="2 values for 6 epochs; put None"):
        replay(keras)


def test_epochs_keep_the_numbers_they_were_recorded_with():
    row = replay({"epoch": [10, 11, 12], "val_loss": [1.0, 0.5, 0.6]}, Patience(1)).rows[0]
    assert (row.stopped_epoch, row.best_epoch) == (12, 11)
    assert (row.epochs, row.best_after) == (3, 2)


def test_nan_is_never_the_best():
    row = replay({"val_loss": [math.nan, 0.5, math.nan]}, GeneralizationLoss(1)).rows[0]
    assert (row.best_after, row.validation) == (2, 0.5)


def long_curve():
    """Falls, then overfits."""
    validation = [1 / (t + 1) + (t / 60) ** 2 for t in range(60)]
    training = [1 / (t + 1) + 0.01 * (t % 3) for t in range(60)]
    return {"loss": training, "val_loss": validation}


def test_by_default_the_fourteen_of_the_paper_are_tried():
    result = replay(long_curve())
    assert [repr(row.criterion) for row in result.rows] == list(map(repr, paper_criteria()))
    gl = [row.epochs for row in result.rows[:4]]
    assert gl == sorted(gl)
    assert all(row.epochs % 5 == 0 for row in result.rows)


def test_without_training_values_pq_is_left_out():
    rows = replay({"val_loss": long_curve()["val_loss"]}).rows
    assert len(rows) == 9
    assert not any(isinstance(row.criterion, ProgressQuotient) for row in rows)


def test_rule_1_takes_a_fast_criterion_if_waiting_gains_little():
    advice = replay(long_curve()).recommend()
    assert advice.rule == 1
    assert str(advice).startswith("rule 1: GeneralizationLoss(1, strip=5): take a fast criterion")


def hard(last):
    values = [1.0, 1.1, 0.5, 0.51, 0.5, 0.505, last]
    training = [1.0 - t / 10 for t in range(7)]
    return replay(
        {"loss": training, "val_loss": values},
        [Patience(1), GeneralizationLoss(15), ProgressQuotient(1e3, 2), SuccessiveIncreases(2, 1)],
    )


@pytest.mark.parametrize(
    ("last", "goal", "rule", "kind"),
    [
        (0.9, "chance", 2, GeneralizationLoss),
        (0.51, "quality", 3, ProgressQuotient),
        (0.9, "quality", 3, SuccessiveIncreases),
        (math.nan, "quality", 3, SuccessiveIncreases),
    ],
)
def test_rules_2_and_3_go_by_the_goal_and_by_how_much_the_curve_overfits(last, goal, rule, kind):
    advice = hard(last).recommend(goal)
    assert (advice.rule, type(advice.criterion)) == (rule, kind)


def test_a_recommendation_of_a_kind_that_was_not_tried_says_so():
    values = [1.0, 1.1, 0.5, 0.9]
    advice = replay({"val_loss": values}, [Patience(1), Patience(2)]).recommend()
    assert advice.criterion is None
    assert "none of those tried" in str(advice)
    assert replay({"val_loss": values}, [Patience(1), Patience(2)]).recommend(gain=2).rule == 1
    with pytest.raises(UsageError, match="did you mean 'chance'"):
        replay({"val_loss": values}).recommend("chanse")


def test_the_table_names_every_criterion_and_marks_those_that_never_stop():
    out = io.StringIO()
    Console(file=out, width=80).print(replay(CURVE, THREE).table())
    assert [line.split() for line in out.getvalue().splitlines() if "(" in line] == [
        ["Patience(patience=1)", "3", "2", "0.8", "0.9", "0.500", "0.500", "1.200"],
        ["GeneralizationLoss(20)", "6", "4", "0.7", "0.75", "1.000", "0.500", "1.000"],
        ["GeneralizationLoss(99)", "never", "4", "0.7", "0.75", "1.000", "0.500", "1.000"],
    ]


def test_the_table_of_the_papers_criteria_fits_into_80_columns():
    out = io.StringIO()
    Console(file=out, width=80).print(replay({**long_curve(), "test_loss": [1 / 3] * 60}).table())
    for criterion in paper_criteria():
        assert repr(criterion) in out.getvalue()
    assert "0.3333" in out.getvalue()
    assert "…" not in out.getvalue()


def test_the_frame_has_a_row_a_criterion():
    frame = replay(CURVE, THREE).to_pandas()
    assert frame.loc["GeneralizationLoss(20)", "test"] == 0.75
    assert frame["stopped_epoch"].isna().tolist() == [False, False, True]
    assert frame["stopped_epoch"].tolist()[:2] == [2, 5]


def test_the_picture_has_the_curves_and_a_line_for_each_stop(tmp_path):
    axes = replay(CURVE, [*THREE, Patience(1)]).plot(tmp_path / "stops.png")
    assert (tmp_path / "stops.png").read_bytes().startswith(b"\x89PNG")
    labels = [line.get_label() for line in axes.lines]
    assert labels[:3] == ["training loss", "validation loss", "test loss"]
    assert labels[-1] == "best kept"
    texts = [text.get_text() for text in axes.texts]
    assert texts == ["Patience(patience=1)\nPatience(patience=1)", "GeneralizationLoss(20)"]
    assert [line.get_xdata()[0] for line in axes.lines[3:5]] == [3, 6]


@pytest.mark.parametrize(
    ("module", "call", "match"),
    [
        ("matplotlib.figure", lambda result: result.plot(), r"epochal\[plot\]"),
        ("pandas", lambda result: result.to_pandas(), "pip install pandas"),
    ],
)
def test_what_is_not_installed_is_named(monkeypatch, module, call, match):
    monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(ImportError, match=match):
        call(replay(CURVE, THREE))


@pytest.mark.parametrize(
    ("call", "match"),
    [
        (lambda: replay(CURVE, monitor="val_los"), "did you mean 'val_loss'"),
        (lambda: replay(CURVE, test="tset_loss"), "did you mean 'test_loss'"),
        (lambda: replay(CURVE, criterion=[]), "did you mean 'criteria'"),
        (lambda: replay(CURVE, []), "no criterion"),
        (lambda: replay(CURVE, ["gl"]), "'gl' is no criterion"),
        (lambda: replay(CURVE, Budget(time="2h")), "limits seconds, which no curve records"),
        (lambda: replay(CURVE, mode="maximum"), "did you mean 'max'"),
        (
            lambda: replay({"epoch": [0], "val_loss": [1.0, 2.0]}),
            "'epoch' has 1 values for 2 epochs",
        ),
        (lambda: replay({"val_x": [1.0]}, monitor="val_x"), "mode='max' or mode='min'"),
        (lambda: replay({"val_loss": []}), "no epoch at all"),
        (lambda: replay({"val_loss": [math.nan]}, Patience(1)), "has no number up to where"),
        (lambda: replay({"val_loss": ["low"]}), "'low'; expected numbers"),
        (lambda: replay([1.0, 2.0]), "got list; give a History"),
        (lambda: replay({"val_loss": [1.0] * 5}, ProgressQuotient(1)), "no training value"),
        (lambda: replay("/no/such/file.csv"), "cannot read"),
    ],
)
def test_what_cannot_be_replayed_is_said(call, match):
    with pytest.raises(UsageError, match=match):
        call()


@pytest.mark.parametrize(
    ("text", "match"),
    [
        ("", "is empty"),
        ("epoch,val_loss\n0,1.0\n1\n", "line 3 .* has 1 fields, the header 2"),
        ("epoch,val_loss\n0,1.0\n1,0.9\n0,1.0\n", "epoch 0 in line 4 .* more than one run"),
    ],
)
def test_a_file_that_is_not_one_run_is_refused(tmp_path, text, match):
    path = tmp_path / "log.csv"
    path.write_text(text)
    with pytest.raises(UsageError, match=match):
        replay(path)


def test_an_empty_history_is_refused():
    with pytest.raises(UsageError, match="no epoch at all"):
        replay(History())


def test_a_separator_can_be_given(tmp_path):
    path = tmp_path / "log.csv"
    path.write_text("val_loss;epoch\n1.0;0\n")
    assert read_log(path, ";") == {"val_loss": ["1.0"], "epoch": ["0"]}


def test_criteria_used_once_can_be_used_again():
    criteria = [Threshold(0.8), MinimumEpochs(2) & GeneralizationLoss(1)]
    assert replay(CURVE, criteria).rows == replay(CURVE, criteria).rows


def test_a_class_is_no_criterion():
    with pytest.raises(UsageTypeError, match="no criterion"):
        replay(CURVE, [Patience])
