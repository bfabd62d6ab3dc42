"""GL, PQ, UP and progress against the definitions of the paper, spelt out slowly and exactly."""

from fractions import Fraction

from hypothesis import given
from hypothesis import strategies as st

from epochal.stopping import (
    GeneralizationLoss,
    LowProgress,
    ProgressQuotient,
    SuccessiveIncreases,
)

# Sixteenths, so that sums are exact; thresholds of thirds, which no such ratio comes close to by
# rounding alone: 100 * a / b with small a and b differs from n + 1/3 + 1e-4 by more than 1e-9.
ERROR = st.integers(1, 64).map(lambda n: n / 16)
LIMIT = st.integers(0, 300).map(lambda n: n / 10 + 0.03334)
CURVE = st.lists(st.tuples(ERROR, ERROR), max_size=40)
STRIP = st.integers(1, 6)


def first(condition, epochs):
    return next((t for t in range(1, epochs + 1) if condition(t)), None)


def stopped(criterion, curve):
    for epoch, (training, validation) in enumerate(curve):
        if criterion.update(epoch, training, validation).stop:
            return epoch + 1
    return None


class Letter:
    """The paper's functions of t, epochs counted from 1, measured at ends of strips alone."""

    def __init__(self, curve, k):
        self.e_tr = {t: Fraction(values[0]) for t, values in enumerate(curve, start=1)}
        self.e_va = {t: Fraction(values[1]) for t, values in enumerate(curve, start=1)}
        self.k, self.epochs = k, len(curve)

    def at_end(self, t):
        return t % self.k == 0

    def gl(self, t):
        e_opt = min(self.e_va[s] for s in range(1, t + 1) if self.at_end(s))
        return 100 * (self.e_va[t] / e_opt - 1)

    def p(self, t):
        strip = [self.e_tr[s] for s in range(t - self.k + 1, t + 1)]
        return 1000 * (sum(strip) / (self.k * min(strip)) - 1)

    def stops_gl(self, alpha):
        return first(lambda t: self.at_end(t) and self.gl(t) > alpha, self.epochs)

    def stops_pq(self, alpha):
        def fires(t):
            if not self.at_end(t):
                return False
            return self.gl(t) > 0 if self.p(t) == 0 else self.gl(t) / self.p(t) > alpha

        return first(fires, self.epochs)

    def fires_up(self, t, s):
        if not self.at_end(t) or t <= self.k or self.e_va[t] <= self.e_va[t - self.k]:
            return False
        return s == 1 or self.fires_up(t - self.k, s - 1)

    def stops_up(self, s):
        return first(lambda t: self.fires_up(t, s), self.epochs)

    def stops_low(self, threshold):
        return first(lambda t: self.at_end(t) and self.p(t) < threshold, self.epochs)


@given(CURVE, LIMIT, STRIP)
def test_gl_is_the_definition(curve, alpha, k):
    expected = Letter(curve, k).stops_gl(alpha)
    assert stopped(GeneralizationLoss(alpha, strip=k), curve) == expected


@given(CURVE, LIMIT.map(lambda limit: limit / 20), STRIP)
def test_pq_is_the_definition(curve, alpha, k):
    assert stopped(ProgressQuotient(alpha, strip=k), curve) == Letter(curve, k).stops_pq(alpha)


@given(CURVE, st.integers(1, 5), STRIP)
def test_up_is_the_recursive_definition(curve, s, k):
    assert stopped(SuccessiveIncreases(s, strip=k), curve) == Letter(curve, k).stops_up(s)


@given(CURVE, LIMIT, STRIP)
def test_low_progress_is_the_definition(curve, threshold, k):
    assert stopped(LowProgress(threshold, strip=k), curve) == Letter(curve, k).stops_low(threshold)


@given(CURVE, LIMIT)
def test_a_larger_threshold_never_stops_earlier(curve, alpha):
    for kind in (GeneralizationLoss, ProgressQuotient):
        soon, late = stopped(kind(alpha), curve), stopped(kind(alpha + 1), curve)
        assert late is None or (soon is not None and soon <= late)
