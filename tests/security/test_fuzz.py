"""A sample of what `make fuzz` does at length."""

from collections import Counter

import pytest
from fuzz import inputs, read_all, run

SHARES = 4
EACH = 550


@pytest.mark.parametrize("share", range(SHARES))
def test_changed_files_end_in_a_documented_error_or_a_model(oracle, valid, tmp_path, share):
    files = read_all(valid)
    outcomes, harmful = run(oracle, files, 10_000_000 + share * EACH, EACH, tmp_path)
    assert [(number, ending, action, harm) for number, ending, action, harm, _ in harmful] == []
    ends = Counter()
    for (_, outcome), times in outcomes.items():
        ends[outcome] += times
    # Both ends are reached: changes are not all fatal, and not all without effect.
    assert set(ends) == {"loaded", "refused"}
    assert min(ends.values()) > EACH / 20


def test_an_input_can_be_made_again_from_its_number(valid):
    files = read_all(valid)
    assert list(inputs(files, 7, 30)) == list(inputs(files, 7, 30))
