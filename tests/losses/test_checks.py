import pytest
import torch

from epochal import losses


def _check(name, y_true, y_pred, **config):
    loss = type(losses.get(name))(**config)
    return " | ".join(loss.check(torch.as_tensor(y_true), torch.as_tensor(y_pred)))


SOFTMAX = torch.tensor([[0.2, 0.3, 0.5], [0.6, 0.3, 0.1]])
LOGITS = torch.tensor([[-2.0, 0.5, 3.0], [1.0, 0.0, -1.0]])
ONE_HOT = torch.eye(3)[[0, 1, 2, 2]]


@pytest.mark.parametrize(
    ("name", "y_true", "y_pred", "config"),
    [
        ("mse", torch.zeros(5), torch.zeros(2, 1), {}),
        ("mse", torch.zeros(5, 3), torch.zeros(2, 3), {}),
        ("mae", torch.zeros(5, 4, 1), torch.zeros(2, 4), {}),
        ("bce", torch.tensor([0, 1, 1]), torch.tensor([[0.2], [1.0]]), {}),
        (
            "bce",
            torch.tensor([0.0, 0.3, 1.0]),
            torch.tensor([[-4.0], [9.0]]),
            {"from_logits": True},
        ),
        ("bce", torch.tensor([True, False]), torch.tensor([[0.5]]), {}),
        ("sparse_categorical_crossentropy", torch.tensor([0, 2, 1]), SOFTMAX, {}),
        ("sparse_categorical_crossentropy", torch.tensor([[0.0], [2.0]]), SOFTMAX, {}),
        ("sparse_categorical_crossentropy", torch.tensor([0, 2]), LOGITS, {"from_logits": True}),
        ("sparse_categorical_crossentropy", torch.tensor([0, 255]), SOFTMAX, {"ignore_class": 255}),
        ("categorical_crossentropy", ONE_HOT, SOFTMAX, {}),
        ("categorical_crossentropy", ONE_HOT, LOGITS, {"from_logits": True}),
        ("categorical_hinge", ONE_HOT, LOGITS, {}),
        ("hinge", torch.tensor([-1, 1]), LOGITS[:, :1], {}),
        ("dice", torch.zeros(5, 2, 2), torch.zeros(1, 2, 2), {}),
    ],
)
def test_what_fits_passes_without_a_word(name, y_true, y_pred, config):
    assert _check(name, y_true, y_pred, **config) == ""


def test_one_hot_targets_for_a_sparse_loss_name_the_categorical_one():
    text = _check("sparse_categorical_crossentropy", ONE_HOT, SOFTMAX)
    assert "use categorical_crossentropy" in text
    assert "(N, 3)" in text


def test_integer_targets_for_a_categorical_loss_name_the_sparse_one():
    for y_true in (torch.tensor([0, 2, 1]), torch.tensor([[0], [2]])):
        text = _check("categorical_crossentropy", y_true, SOFTMAX)
        assert "use sparse_categorical_crossentropy" in text


@pytest.mark.parametrize(
    ("labels", "hint"),
    [
        ([0, 5, 1], "got 5; end the model with 6 units"),
        ([1, 2, 3], "got 3; subtract 1"),
        ([-1, 0, 1], "got -1; labels start at 0"),
        ([0.5, 1.0], "whole numbers as labels, but got 0.5"),
        ([0, *range(3, 20)], "got 3, 4, 5, 6, 7, ...;"),
    ],
)
def test_labels_that_are_not_classes_are_shown_with_what_to_do(labels, hint):
    assert hint in _check("sparse_categorical_crossentropy", torch.tensor(labels), SOFTMAX)


def test_labels_of_another_shape_are_shown():
    text = _check("sparse_categorical_crossentropy", torch.zeros(4, 2, dtype=torch.long), SOFTMAX)
    assert "(N, 2)" in text
    text = _check("sparse_categorical_crossentropy", torch.zeros(4), torch.zeros(4))
    assert "one output per class" in text


def test_a_single_output_column_for_classes_names_the_binary_loss():
    for name in ("categorical_crossentropy", "sparse_categorical_crossentropy"):
        text = _check(name, torch.tensor([0, 1]), torch.tensor([[0.5]]))
        assert "use binary_crossentropy" in text


def test_class_labels_for_a_binary_loss_with_several_columns_name_the_sparse_loss():
    text = _check("bce", torch.tensor([0, 2, 1]), SOFTMAX)
    assert "use sparse_categorical_crossentropy" in text


def test_binary_targets_outside_of_zero_and_one_are_shown():
    assert "but got 0, 1, 2; for more than two classes" in _check(
        "bce", torch.tensor([0, 1, 2]), torch.tensor([[0.5]])
    )
    assert "but got -1, 1; map the labels" in _check(
        "bce", torch.tensor([-1.0, 1.0]), torch.tensor([[0.5]])
    )


@pytest.mark.parametrize(
    ("name", "activation", "y_true"),
    [
        ("bce", "sigmoid", ONE_HOT),
        ("binary_focal_crossentropy", "sigmoid", ONE_HOT),
        ("categorical_crossentropy", "softmax", ONE_HOT),
        ("categorical_focal_crossentropy", "softmax", ONE_HOT),
        ("sparse_categorical_crossentropy", "softmax", torch.tensor([0, 1])),
        ("categorical_generalized_cross_entropy", "softmax", torch.tensor([0, 1])),
    ],
)
def test_logits_taken_for_probabilities_name_the_activation(name, activation, y_true):
    text = _check(name, y_true, LOGITS)
    assert (
        f"end the model with a {activation} activation, or give the loss from_logits=True" in text
    )


def test_probabilities_taken_for_logits_are_an_error():
    text = _check("categorical_crossentropy", ONE_HOT, SOFTMAX, from_logits=True)
    assert "take the softmax out of the model" in text


@pytest.mark.parametrize(
    "name", ["mse", "kld", "poisson", "cosine_similarity", "categorical_hinge"]
)
def test_targets_of_another_shape_than_the_output_are_an_error(name):
    text = _check(name, torch.full((4, 3), 0.5), torch.zeros(4, 2))
    assert "(N, 3)" in text
    assert "(N, 2)" in text


@pytest.mark.parametrize("name", ["hinge", "squared_hinge"])
def test_hinge_labels_beyond_one_are_shown(name):
    assert "but got 2" in _check(name, torch.tensor([0, 1, 2]), torch.zeros(1, 1))


def test_a_nan_in_the_output_raises_no_false_alarm():
    assert _check("bce", torch.tensor([0, 1]), torch.tensor([[float("nan")]])) == ""
