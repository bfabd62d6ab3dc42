"""What is compared by time computes the same: every workload's own check, on few rows."""

import importlib

import numpy as np
import pytest

SIZES = {"moons": 5, "minivgg": 40, "tabular": 2048, "sequence": 64, "overhead": 96}


@pytest.mark.parametrize("name", SIZES)
def test_fit_and_the_loop_by_hand_reach_the_same_losses(name):
    importlib.import_module(name).check(SIZES[name])


def test_a_check_stops_where_losses_differ():
    from rounds import same

    same("equal", 0.5, 0.5)
    with pytest.raises(SystemExit, match="not the same arithmetic"):
        same("different", 0.5, 0.51)


def test_the_loop_of_tutorials_and_the_loop_by_hand_reach_the_same_losses():
    from by_hand import ByHand, ByLoader
    from workloads import make

    for name, rows in (("moons", 3), ("minivgg, batch 32", 40)):
        workload = make(name, rows, dropout=False)
        fast, usual = (way(workload).run(2, shuffle=False) for way in (ByHand, ByLoader))
        np.testing.assert_allclose(fast, usual, rtol=1e-5)


def test_gathering_batch_by_batch_changes_no_loss():
    from by_hand import ByHand
    from workloads import make

    whole, frugal = (ByHand(make("overhead", 96)) for _ in range(2))
    frugal.gathers = False
    assert whole.run(1, shuffle=False) == frugal.run(1, shuffle=False)
