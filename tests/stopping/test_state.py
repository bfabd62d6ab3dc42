"""What criteria remember goes out and comes back: cut anywhere, a run goes on as if never cut."""

import json

import pytest

from epochal.core.errors import UsageTypeError
from epochal.stopping import (
    Budget,
    Divergence,
    GeneralizationLoss,
    LowProgress,
    MinimumEpochs,
    Once,
    Patience,
    ProgressQuotient,
    Smoothed,
    SuccessiveIncreases,
    Threshold,
)

EVERYTHING = [
    lambda: GeneralizationLoss(5, strip=2),
    lambda: ProgressQuotient(0.5, strip=3),
    lambda: SuccessiveIncreases(2, strip=2),
    lambda: LowProgress(20, strip=3),
    lambda: Patience(3, min_delta=0.01),
    lambda: Budget(epochs=7),
    lambda: Threshold(0.51),
    lambda: Divergence(1.2),
    lambda: MinimumEpochs(6),
    lambda: Smoothed(GeneralizationLoss(5), window=3),
    lambda: Once(SuccessiveIncreases(1)),
    lambda: GeneralizationLoss(5) & MinimumEpochs(8) | Budget(epochs=11),
]
CURVE = [1, 0.8, 0.7, 0.75, 0.72, 0.71, 0.76, 0.77, 0.8, 0.79, 0.85, 1.3]


@pytest.mark.parametrize("make", EVERYTHING)
@pytest.mark.parametrize("cut", [1, 4, 7])
@pytest.mark.parametrize("mode", ["min", "max"])
def test_cut_anywhere_and_resumed_from_json_it_goes_on_as_if_never_cut(make, cut, mode):
    whole, first, second = make(), make(), make()
    curve = [(epoch, value / 2, value) for epoch, value in enumerate(CURVE)]
    whole.reset(mode)
    first.reset(mode)
    second.reset()
    expected = [whole.update(*point) for point in curve]
    assert [first.update(*point) for point in curve[:cut]] == expected[:cut]
    second.load_state_dict(json.loads(json.dumps(first.state_dict())))
    assert [second.update(*point) for point in curve[cut:]] == expected[cut:]


@pytest.mark.parametrize("make", EVERYTHING)
def test_after_reset_nothing_is_remembered(make):
    used, fresh = make(), make()
    curve = [(epoch, value / 2, value) for epoch, value in enumerate(CURVE)]
    for point in curve:
        used.update(*point)
    used.reset()
    assert used.state_dict() == fresh.state_dict()
    assert [used.update(*point) for point in curve] == [fresh.update(*point) for point in curve]


@pytest.mark.parametrize(
    "wrap", [Once, lambda inner: Smoothed(inner, 2), lambda inner: inner | inner]
)
def test_what_is_spent_reaches_the_budget_inside(wrap):
    criterion = wrap(Budget(steps=3))
    criterion.spend(steps=3)
    assert criterion.update(0, None, 1.0).stop


@pytest.mark.parametrize("make", EVERYTHING)
def test_the_state_of_another_criterion_is_refused(make):
    with pytest.raises(UsageTypeError):
        make().load_state_dict({"sign": 1.0, "nonsense": 2})


def test_a_wrapper_without_its_criterions_state_is_refused():
    with pytest.raises(UsageTypeError, match="no 'criterion'"):
        Once(Threshold(1)).load_state_dict({"sign": 1.0, "fired": 0})


def test_the_state_taken_is_a_copy():
    first, second = LowProgress(), LowProgress()
    first.update(0, 1.0, None)
    saved = first.state_dict()
    second.load_state_dict(saved)
    first.update(1, 2.0, None)
    second.update(1, 3.0, None)
    assert saved["losses"] == [1.0]
