"""Each criterion on curves whose answer is known, and the paper's worked numbers."""

import math
from datetime import timedelta

import pytest

from epochal.core.errors import UsageError
from epochal.stopping import (
    All,
    AnyOf,
    Budget,
    Criterion,
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
    Verdict,
    generalization_loss,
    progress,
    progress_quotient,
)

NAN, INF = float("nan"), float("inf")
TRAINING = [1, 0.9, 0.8, 0.7, 0.6, 0.58, 0.56, 0.54, 0.52, 0.51]
TRAINING += [0.50, 0.49, 0.48, 0.47, 0.46, 0.459, 0.458, 0.457, 0.456, 0.455]
VALIDATION = [value for end in (1.00, 0.95, 0.97, 0.98) for value in (None, None, None, None, end)]


def stops(criterion, validation, training=None, mode="min"):
    """The number of epochs after which it first says stop, or None."""
    criterion.reset(mode)
    training = [None] * len(validation) if training is None else training
    for epoch, values in enumerate(zip(training, validation, strict=True)):
        if criterion.update(epoch, *values).stop:
            return epoch + 1
    return None


def worked(criterion):
    return stops(criterion, VALIDATION, TRAINING)


@pytest.mark.parametrize(
    ("end", "p", "gl", "pq"),
    [
        (5, 333.333333, 0, 0),
        (10, 62.745098, 0, 0),
        (15, 43.478261, 2.105263, 0.048421),
        (20, 4.395604, 3.157895, 0.718421),
    ],
)
def test_the_worked_vector_has_the_numbers_of_the_formulas(end, p, gl, pq):
    strip = TRAINING[end - 5 : end]
    best = min(value for value in VALIDATION[:end] if value is not None)
    loss = generalization_loss(VALIDATION[end - 1], best)
    assert progress(strip) == pytest.approx(p, rel=1e-7)
    assert loss == pytest.approx(gl, rel=1e-6)
    assert progress_quotient(loss, progress(strip)) == pytest.approx(pq, rel=1e-5)


@pytest.mark.parametrize(
    ("criterion", "epochs"),
    [
        (GeneralizationLoss(1), 15),
        (GeneralizationLoss(2), 15),
        (GeneralizationLoss(3), 20),
        (GeneralizationLoss(5), None),
        (SuccessiveIncreases(1), 15),
        (SuccessiveIncreases(2), 20),
        (SuccessiveIncreases(3), None),
        (ProgressQuotient(0.04), 15),
        (ProgressQuotient(0.5), 20),
        (ProgressQuotient(0.75), None),
        (LowProgress(), None),
        (LowProgress(5), 20),
    ],
)
def test_the_worked_vector_stops_where_the_paper_says(criterion, epochs):
    assert worked(criterion) == epochs


def every_epoch(ends, between):
    return [value for end in ends for value in (between,) * 4 + (end,)]


def test_strips_do_not_overlap_and_only_their_ends_are_looked_at():
    validation = [1.0, 2, 3, 4, 1.0, 2, 3, 4, 5, 1.0]
    assert stops(GeneralizationLoss(1, strip=5), validation) is None
    assert stops(SuccessiveIncreases(1), validation) is None
    assert stops(ProgressQuotient(0.01), validation, [1.0 - t / 100 for t in range(10)]) is None
    assert stops(GeneralizationLoss(1), validation) == 2
    # A window that slides would be flat at epoch 8; no strip is.
    training = [4.0, 3, 2, 1, 1, 1, 1, 1, 1, 0.5]
    assert stops(LowProgress(), [None] * 10, training) is None


def test_the_best_of_a_strip_criterion_is_that_of_strip_ends():
    """The paper measures validation there and nowhere else."""
    validation = every_epoch([1.0, 1.01, 1.04], between=0.5)
    assert stops(GeneralizationLoss(3, strip=5), validation) == 15
    training = [1.0, 0.999, 0.998, 0.997, 0.996] * 3
    assert stops(ProgressQuotient(0.45), validation, training) == 10


def test_gl_is_against_the_validation_minimum_not_that_of_training():
    assert stops(GeneralizationLoss(5), [1.0, 1.0, 1.0], [0.1, 0.01, 0.001]) is None


def test_the_best_is_brought_up_to_date_before_gl_is_taken():
    """Else an improvement would be a negative loss, and the first epoch have no best."""
    loss = GeneralizationLoss(0)
    assert loss.update(0, None, 1.0).reason == "GL 0 % <= 0 %"
    assert loss.update(1, None, 0.5).reason == "GL 0 % <= 0 %"


def test_progress_takes_the_minimum_of_its_strip_not_of_the_run():
    training = [0.1, 0.1, 0.1, 0.1, 0.1, 1.0, 1.0, 1.0, 1.0, 1.0]
    assert stops(LowProgress(), [None] * 10, training) == 5
    assert stops(All(LowProgress(), MinimumEpochs(6)), [None] * 10, training) == 10


def test_gl_is_in_percent_and_progress_in_per_thousand():
    assert generalization_loss(1.05, 1.0) == pytest.approx(5)
    assert progress([1.0, 1.0, 1.0, 1.0, 1.5]) == pytest.approx(100)


def test_up_goes_by_strips_not_by_epochs_and_equal_values_start_it_anew():
    rising = [1 + t / 100 for t in range(10)]
    assert stops(SuccessiveIncreases(1), rising) == 10
    assert stops(SuccessiveIncreases(2), rising) is None
    assert stops(SuccessiveIncreases(2, strip=1), [1, 2, 2, 3, 3, 4]) is None
    assert stops(SuccessiveIncreases(2, strip=1), [1, 2, 2, 3, 4]) == 5
    # Increases are against the strip before, not against the best.
    assert stops(SuccessiveIncreases(2, strip=1), [1, 5, 4, 5]) is None


@pytest.mark.parametrize(
    ("criterion", "validation", "training"),
    [
        (GeneralizationLoss(25), [1.0, 1.25], None),
        (ProgressQuotient(0.1, strip=2), [1.0, 1.0, 1.0, 1.25], [1.0, 1.0, 2.0, 1.0]),
        (SuccessiveIncreases(1, strip=1), [1.0, 1.0], None),
        (LowProgress(250, strip=2), [None, None], [1.5, 1.0]),
        (Divergence(2.0), [2.0], [2.0]),
    ],
)
def test_comparisons_are_strict(criterion, validation, training):
    assert stops(criterion, validation, training) is None


def test_above_a_best_of_zero_any_loss_is_infinite():
    assert generalization_loss(0.0, 0.0) == 0
    assert generalization_loss(1e-9, 0.0) == INF
    assert stops(GeneralizationLoss(1000), [0.0, 0.0, 1e-9]) == 3


def test_negative_values_count_against_the_absolute_best():
    assert stops(GeneralizationLoss(20), [-2.0, -1.7, -1.5]) == 3
    assert stops(GeneralizationLoss(20), [-2.0, -3.0, -4.0]) is None
    assert progress([-1.0, -2.0]) == 250


def test_without_progress_any_loss_stops_pq_and_no_loss_does_not():
    flat = [0.3] * 4
    assert stops(ProgressQuotient(99, strip=2), [1.0, 1.0, 1.0, 1.0], flat) is None
    assert stops(ProgressQuotient(99, strip=2), [1.0, 1.0, 1.0, 1.01], flat) == 4
    assert progress([0.0, 0.0]) == 0
    assert progress([0.0, 1.0]) == INF
    assert progress_quotient(5.0, INF) == 0
    assert progress_quotient(INF, INF) == INF


@pytest.mark.parametrize("odd", [NAN, INF, -INF, None])
def test_what_is_not_a_finite_number_is_no_check_and_never_the_best(odd):
    assert stops(GeneralizationLoss(5), [odd, 1.0, odd, 1.04, odd, 1.06]) == 6
    up = SuccessiveIncreases(2, strip=1)
    assert stops(up, [1.0, odd, 1.1, odd, 1.2]) == 5
    training = [1.0, 1.0, 1.0]
    assert stops(ProgressQuotient(1, strip=1), [odd, 1.0, 1.1], training) == 3


@pytest.mark.parametrize("odd", [NAN, INF, -INF])
def test_a_strip_with_a_training_value_that_is_not_finite_is_no_check(odd):
    training = [1.0, odd, 1.0, 1.0]
    assert stops(LowProgress(strip=2), [None] * 4, training) == 4
    assert stops(ProgressQuotient(1, strip=2), [1, 1, 1, 1.1], training) == 4
    # The validation value of the spoilt strip is the best all the same.
    assert stops(ProgressQuotient(1, strip=2), [1, 0.5, 1, 0.6], training) == 4


def test_a_last_partial_strip_is_not_judged():
    assert stops(GeneralizationLoss(1, strip=5), [1.0] * 5 + [9.0] * 4) is None
    assert stops(LowProgress(), [None] * 4, [1.0] * 4) is None


@pytest.mark.parametrize(
    ("criterion", "training"),
    [
        (GeneralizationLoss(5), None),
        (SuccessiveIncreases(2, strip=1), None),
        (ProgressQuotient(1, strip=1), [0.5] * 5),
        (Patience(2), None),
        (Smoothed(Patience(2), 1), None),
    ],
)
def test_values_to_maximise_are_the_mirror_of_values_to_minimise(criterion, training):
    falling = [0.5, 0.9, 0.8, 0.7, 0.6]
    up = stops(criterion, falling, training, mode="max")
    down = stops(
        criterion, [-v for v in falling], training and [-value for value in training], mode="min"
    )
    assert up == down is not None
    assert stops(criterion, sorted(falling), training, mode="max") is None


def test_a_target_is_reached_by_equality():
    assert stops(Threshold(0.5), [0.6, None, NAN, 0.5, 0.1]) == 4
    assert stops(Threshold(0.5), [0.4, 0.5], mode="max") == 2


@pytest.mark.parametrize(
    ("values", "epochs"),
    [([1.0, NAN], 2), ([INF], 1), ([1.0, None, 99.0], None), ([1.0, 100.1], 2)],
)
def test_divergence_looks_at_both_values(values, epochs):
    assert stops(Divergence(100), values) == epochs
    assert stops(Divergence(100), [None] * len(values), values) == epochs
    assert stops(Divergence(), [1e30, 0.0]) is None
    assert stops(Divergence(0.1), [0.2, 0.05], mode="max") == 2


@pytest.mark.parametrize(
    ("time", "seconds"),
    [
        (90, 90),
        ("90s", 90),
        ("2h", 7200),
        ("1h30m", 5400),
        ("1d 6h", 108000),
        ("1.5 min", 90),
        (timedelta(minutes=2), 120),
    ],
)
def test_a_budget_reads_time_as_people_write_it(time, seconds):
    budget = Budget(time=time)
    budget.spend(seconds=seconds - 0.5)
    assert not budget.update(0, None, None).stop
    budget.spend(seconds=0.5)
    assert budget.update(1, None, None).stop


@pytest.mark.parametrize("kind", ["steps", "samples"])
def test_a_budget_counts_what_it_is_told(kind):
    budget = Budget(**{kind: 10})
    with pytest.raises(UsageError, match=rf"call spend\({kind}=...\)"):
        budget.update(0, None, None)
    budget.spend(**{kind: 0})
    assert not budget.update(0, None, None).stop
    budget.spend(**{kind: 9})
    assert budget.update(0, None, None) == Verdict(False, f"9 of 10 {kind} are used")
    budget.spend(**{kind: 1})
    assert budget.update(1, None, None) == Verdict(True, f"10 of 10 {kind} are used up")


def test_a_budget_of_epochs_counts_from_the_first_one_seen():
    budget = Budget(epochs=3)
    assert [budget.update(epoch, None, None).stop for epoch in (7, 8, 9)] == [False, False, True]


def test_patience_can_be_relative_to_the_best():
    curve = [1000.0, 995.0, 990.0, 985.0]
    assert stops(Patience(2, min_delta=0.02, min_delta_mode="rel"), curve) == 3
    assert stops(Patience(2, min_delta=0.02), curve) is None


def test_smoothing_takes_the_mean_of_the_last_values_that_are_numbers():
    class Seen(Criterion):
        def start(self):
            self.values = []

        def update(self, epoch, training, validation):
            self.values.append((training, validation))
            return Verdict(False, "")

    seen = Seen()
    stops(Smoothed(seen, window=2), [1.0, 2.0, NAN, None, 4.0], [1, 2, 3, 4, 5])
    assert seen.values[:2] == [(1, 1.0), (2, 1.5)]
    assert math.isnan(seen.values[2][1])
    assert seen.values[3:] == [(4, None), (5, 3.0)]


def test_one_wild_value_does_not_stop_a_smoothed_criterion():
    noisy = [1.0, 0.9, 0.8, 1.0, 0.6, 0.5]
    assert stops(GeneralizationLoss(20), noisy) == 4
    assert stops(Smoothed(GeneralizationLoss(20), window=3), noisy) is None


def test_and_waits_for_both_at_once_and_or_for_either():
    curve = [1.0, 1.5, 0.9, 0.9, 1.0]
    assert stops(GeneralizationLoss(5) & MinimumEpochs(3), curve) == 5
    assert stops(Once(GeneralizationLoss(5)) & MinimumEpochs(3), curve) == 3
    assert stops(GeneralizationLoss(5) | MinimumEpochs(3), curve) == 2
    assert stops(GeneralizationLoss(5) & MinimumEpochs(9) | Threshold(0.9), curve) == 3


def test_every_member_sees_every_epoch_whatever_the_others_say():
    both = MinimumEpochs(0) | SuccessiveIncreases(2, strip=1)
    for epoch, value in enumerate([1.0, 2.0, 3.0]):
        verdict = both.update(epoch, None, value)
    assert "UP: worse in 2" in verdict.reason


def test_groups_are_flat_and_print_as_they_are_written():
    criterion = (
        GeneralizationLoss(5) | Budget(time="2h") | MinimumEpochs(3) & ProgressQuotient(1, strip=3)
    )
    assert repr(criterion) == (
        "GeneralizationLoss(5) | Budget(time='2h') | "
        "(MinimumEpochs(3) & ProgressQuotient(1, strip=3))"
    )
    assert isinstance(criterion, AnyOf)
    assert len(criterion.criteria) == 3
    assert criterion.needs == {"training", "seconds"}
    assert Once(Smoothed(LowProgress())).needs == {"training"}
    assert repr(Smoothed(Patience(3), window=2)) == "Smoothed(Patience(patience=3), window=2)"


def test_reasons_say_who_spoke():
    curve = [1.0, 1.1]
    both = GeneralizationLoss(5) & MinimumEpochs(2)
    assert [both.update(t, None, value).reason for t, value in enumerate(curve)] == [
        "GL 0 % <= 5 %; 1 of at least 2 epochs have run",
        "GL 10 % > 5 % and 2 of at least 2 epochs have run",
    ]


def test_criteria_of_progress_ask_for_the_training_value():
    with pytest.raises(UsageError, match="epoch 4 has no training value"):
        (GeneralizationLoss(1) | ProgressQuotient(1)).update(4, None, 0.5)


@pytest.mark.parametrize(
    ("call", "match"),
    [
        (lambda: GeneralizationLoss(-1), "alpha is -1"),
        (lambda: ProgressQuotient(NAN), "alpha is nan"),
        (lambda: ProgressQuotient(1, strip=0), "strip is 0"),
        (lambda: SuccessiveIncreases(0), "s is 0"),
        (lambda: LowProgress(-0.1), "threshold is -0.1"),
        (lambda: Patience(-1), "patience is -1"),
        (lambda: Patience(min_delta_mode="relative"), "did you mean 'rel'"),
        (lambda: MinimumEpochs(-1), "n is -1"),
        (lambda: Smoothed(Patience(1), window=0), "window is 0"),
        (lambda: Smoothed("gl"), "'gl' is no criterion"),
        (lambda: All(), "at least one"),
        (lambda: AnyOf("gl"), "'gl' is no criterion"),
        (lambda: Budget(), "nothing is limited"),
        (lambda: Budget(steps=0), "steps is 0"),
        (lambda: Budget(time="0h"), "seconds is 0"),
        (lambda: Budget(time="two hours"), "cannot read time 'two hours'"),
        (lambda: Budget(time="2h oops"), "cannot read time"),
        (lambda: Budget(tim=3), "did you mean 'time'"),
        (lambda: GeneralizationLoss(5).reset("maximum"), "did you mean 'max'"),
    ],
)
def test_bad_arguments_are_refused_when_it_is_made(call, match):
    with pytest.raises(UsageError, match=match):
        call()


def test_only_criteria_combine():
    with pytest.raises(TypeError):
        GeneralizationLoss(5) & 3
    with pytest.raises(TypeError):
        GeneralizationLoss(5) | "budget"
