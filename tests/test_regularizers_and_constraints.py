import pytest
import torch

from epochal import constraints, regularizers
from epochal.core.errors import UsageError

W = torch.tensor([[3.0, 0.1], [-4.0, 0.2]])


@pytest.mark.parametrize("name", ["l1", "l2", "l1_l2", "L1L2", "orthogonal_regularizer"])
def test_every_regularizer_is_found_by_name_and_survives_its_config(name):
    penalty = regularizers.get(name)
    again = regularizers.get(regularizers.serialize(penalty))
    assert type(again) is type(penalty)
    assert again.get_config() == penalty.get_config()
    assert again(W) == penalty(W) > 0


@pytest.mark.parametrize("name", ["max_norm", "non_neg", "unit_norm", "min_max_norm", "MaxNorm"])
def test_every_constraint_is_found_by_name_and_survives_its_config(name):
    constraint = constraints.get(name)
    again = constraints.get(constraints.serialize(constraint))
    assert type(again) is type(constraint)
    assert again.get_config() == constraint.get_config()
    assert torch.equal(again(W), constraint(W))


@pytest.mark.parametrize("module", [regularizers, constraints])
def test_functions_are_taken_as_they_are_and_nothing_stays_nothing(module):
    assert module.get(None) is None
    assert module.get(torch.sum) is torch.sum


def test_classes_are_taken_with_their_defaults():
    assert regularizers.get(regularizers.L2).l2 == 0.01
    assert constraints.get(constraints.MaxNorm).max_value == 2


def test_the_lower_case_names_are_the_classes():
    assert regularizers.l1_l2(l1=0.1, l2=0.2).get_config() == {"l1": 0.1, "l2": 0.2}
    assert constraints.max_norm(3.0).max_value == 3.0


def test_a_norm_of_zero_stays_finite():
    zeros = torch.zeros(2, 2)
    for name in ("max_norm", "unit_norm", "min_max_norm"):
        assert torch.isfinite(constraints.get(name)(zeros)).all()


def test_a_constraint_over_several_axes_bounds_each_filter():
    filters = torch.ones(3, 3, 2, 4)
    bounded = constraints.MaxNorm(1.0, axis=[0, 1, 2])(filters)
    torch.testing.assert_close(bounded.square().sum((0, 1, 2)), torch.ones(4))


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: regularizers.get("l3"), "unknown regularizer 'l3'"),
        (lambda: regularizers.get(0.1), "expected the name of a regularizer"),
        (lambda: regularizers.L2(l1=0.1), "did you mean 'l2'"),
        (lambda: regularizers.OrthogonalRegularizer(mode="diagonal"), "rows or columns"),
        (lambda: constraints.get("maxnorm"), "did you mean 'max_norm'"),
        (lambda: constraints.get(2.0), "expected the name of a constraint"),
        (lambda: constraints.MaxNorm(max_valu=1.0), "did you mean 'max_value'"),
    ],
)
def test_what_cannot_work_is_one_clear_error(call, message):
    with pytest.raises(UsageError, match=message):
        call()


def test_bases_say_what_to_write():
    with pytest.raises(NotImplementedError, match="__call__"):
        regularizers.Regularizer()(W)
    with pytest.raises(NotImplementedError, match="__call__"):
        constraints.Constraint()(W)
