"""Errors name what was got, the nearest valid name, and everything wrong with a call at once."""

from typing import Any, Never

import pytest

from epochal.core.errors import (
    EpochalError,
    Problems,
    UsageError,
    UsageTypeError,
    reject_unknown,
    unknown_name,
)


def test_errors_are_the_builtin_ones_that_callers_catch() -> None:
    assert issubclass(UsageError, ValueError)
    assert issubclass(UsageTypeError, TypeError)
    assert issubclass(UsageTypeError, UsageError)
    assert issubclass(UsageError, EpochalError)


@pytest.mark.parametrize(
    ("name", "nearest"),
    [
        ("val_los", "val_loss"),
        ("Val_Loss", "val_loss"),
        ("VAL_LOSS", "val_loss"),
        ("los", "loss"),
        ("accurcy", "Accuracy"),
    ],
)
def test_the_nearest_name_is_found_without_regard_to_case(name: str, nearest: str) -> None:
    text = unknown_name("metric", name, ["loss", "val_loss", "Accuracy"])
    assert text == (
        f"unknown metric {name!r}: did you mean {nearest!r}? Valid: 'loss', 'val_loss', 'Accuracy'."
    )


def test_a_name_near_to_none_lists_all_of_them_once() -> None:
    assert unknown_name("x", "qqq", ["a", "b", "a"]) == "unknown x 'qqq'. Valid: 'a', 'b'."
    assert unknown_name("x", 3, []) == "unknown x 3. Valid: none."


def test_no_problem_is_no_error() -> None:
    problems = Problems("fit")
    assert not problems
    problems.raise_if_any()


def test_one_problem_is_one_sentence() -> None:
    problems = Problems("fit")
    problems.add("epochs is -1")
    with pytest.raises(UsageError, match=r"^fit: epochs is -1$") as caught:
        problems.raise_if_any()
    assert not isinstance(caught.value, TypeError)


def test_several_problems_are_told_together_and_each_once() -> None:
    problems = Problems("fit")
    for text in ("first", "second", "first"):
        problems.add(text)
    assert list(problems) == ["first", "second"]
    with pytest.raises(UsageError) as caught:
        problems.raise_if_any()
    assert str(caught.value) == "fit: 2 problems:\n  1. first\n  2. second"


def test_one_problem_of_type_makes_the_error_a_type_error_too() -> None:
    problems = Problems("fit")
    problems.add("x is a str", of_type=True)
    problems.add("epochs is -1")
    with pytest.raises(TypeError, match="2 problems"):
        problems.raise_if_any()


class Thing:
    def __init__(self, units: int, *rest: int, activation: str = "", **unknown: Never) -> None:
        reject_unknown(Thing.__init__, unknown)


def test_misspelt_arguments_are_refused_all_at_once() -> None:
    Thing(1, 2, activation="relu")
    wrong: dict[str, Any] = {"unit": 3, "activaton": "relu"}
    with pytest.raises(TypeError) as caught:
        Thing(1, **wrong)
    text = str(caught.value)
    assert "Thing: 2 problems" in text
    assert "unknown argument 'unit': did you mean 'units'? Valid: 'units', 'activation'." in text
    assert "did you mean 'activation'" in text


def test_functions_are_called_by_their_own_name() -> None:
    def resize(image: Any, **unknown: Never) -> None:
        reject_unknown(resize, unknown)

    with pytest.raises(UsageTypeError, match="resize: unknown argument 'imag'"):
        resize(1, imag=2)  # type: ignore[arg-type]
