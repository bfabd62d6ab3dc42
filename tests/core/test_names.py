"""Names of things: in snake case, unique, and looked up."""

from typing import Any

import pytest

from epochal.core.errors import UsageError
from epochal.core.names import Registry, snake_case, unique_name


@pytest.mark.parametrize(
    ("name", "snake"),
    [
        ("Dense", "dense"),
        ("BinaryAccuracy", "binary_accuracy"),
        ("Conv2D", "conv2d"),
        ("Conv2DTranspose", "conv2d_transpose"),
        ("GlobalMaxPooling1D", "global_max_pooling1d"),
        ("MeanIoU", "mean_io_u"),
        ("AUC", "auc"),
        ("R2Score", "r2_score"),
        ("F1Score", "f1_score"),
        ("LSTM", "lstm"),
        ("ReLU", "re_lu"),
        ("KLDivergence", "kl_divergence"),
        ("already_snake", "already_snake"),
    ],
)
def test_classes_have_the_names_that_keras_gives_them(name: str, snake: str) -> None:
    assert snake_case(name) == snake


def test_a_taken_name_gets_the_first_free_number() -> None:
    assert unique_name("mae", set().__contains__) == "mae"
    assert unique_name("mae", {"mae"}.__contains__) == "mae_1"
    assert unique_name("mae", {"mae", "mae_1", "mae_3"}.__contains__) == "mae_2"


class RoundThing:
    """Something registered."""


def registry() -> Registry[Any]:
    things: Registry[Any] = Registry("shape")
    things.add(RoundThing, "round", "O")
    return things


def test_a_thing_answers_to_its_name_snake_case_and_aliases() -> None:
    things = registry()
    for name in ("RoundThing", "round_thing", "round", "O"):
        assert things[name] is RoundThing
        assert name in things
    assert list(things) == ["round_thing", "round", "O"]
    assert "square" not in things


def test_an_unknown_name_is_an_error_with_the_nearest() -> None:
    with pytest.raises(UsageError, match=r"unknown shape 'Round_Thin': did you mean 'round_thing'"):
        registry()["Round_Thin"]


def test_a_registry_is_filled_before_the_first_name_is_asked_for_or_added() -> None:
    filled = []

    class Dot:
        pass

    def fill() -> None:
        filled.append("once")
        shapes.add(Dot)

    shapes = Registry[type]("shape", fill)
    assert filled == []
    own = type("Dot", (), {})
    shapes.add(own)  # a user's thing replaces ours, also when it comes before the first look-up
    assert shapes["dot"] is own
    assert filled == ["once"]
    for asked in (lambda things: "dot" in things, list, lambda things: things["dot"]):
        things = Registry[type]("shape", lambda: things.add(Dot))  # noqa: B023 - used at once
        assert asked(things)
