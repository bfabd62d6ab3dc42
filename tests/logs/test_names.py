"""The names of a run: what can be monitored, and which way it gets better."""

import pytest

from epochal.logs import LogNames

UP = [
    "acc",
    "val_accuracy",
    "auc",
    "f1",
    "val_macro_f1",
    "recall",
    "precision_1",
    "mean_io_u",
    "r2_score",
    "neg_log_loss",
    "neg_mean_squared_error",
    "val_neg_brier",
    "balanced_accuracy",
    "top_k_categorical_accuracy",
    "Val_ACC",
]
DOWN = [
    "loss",
    "val_loss",
    "mse",
    "val_mae_2",
    "rmse",
    "output_0_loss",
    "mean_squared_error",
    "hinge",
    "kl_divergence",
    "false_negatives",
    "binary_crossentropy",
]
UNKNOWN = ["score", "lr", "learning_rate", "sharpe", "seconds", "gloss", "maps", "mse_ratio"]


@pytest.mark.parametrize("name", UP)
def test_well_known_scores_are_better_when_larger(name: str) -> None:
    assert LogNames({}).direction(name) == "max"


@pytest.mark.parametrize("name", DOWN)
def test_well_known_errors_are_better_when_smaller(name: str) -> None:
    assert LogNames({}).direction(name) == "min"


@pytest.mark.parametrize("name", UNKNOWN)
def test_a_name_that_says_nothing_has_no_direction(name: str) -> None:
    assert LogNames({}).direction(name) is None


def test_the_metric_knows_better_than_its_name() -> None:
    names = LogNames({"accuracy_gap": "min", "odd_loss": "max"})
    names.add("odd_loss", "min")
    names.add("extra")
    assert names.direction("accuracy_gap") == "min"
    assert names.direction("odd_loss") == "max"
    assert list(names) == ["accuracy_gap", "odd_loss", "extra"]
    assert len(names) == 3


def test_a_name_that_will_never_be_logged_is_a_problem_with_the_nearest_one() -> None:
    names = LogNames({"loss": "min", "val_loss": "min"}, validates=True)
    assert names.problem_with("loss") is None
    assert names.problem_with("lr") is None
    problem = names.problem_with("val_los") or ""
    assert "did you mean 'val_loss'" in problem
    assert "no validation" not in problem


def test_without_validation_the_problem_says_what_to_pass() -> None:
    problem = LogNames({"loss": "min"}).problem_with("val_loss") or ""
    assert "pass validation_data or validation_split" in problem


def test_a_users_own_step_may_log_anything() -> None:
    assert LogNames({"loss": "min"}, complete=False).problem_with("whatever") is None
