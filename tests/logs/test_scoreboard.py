"""The scoreboard gives what plain computation gives, whoever reads what and when."""

import math
from typing import Any, NamedTuple

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode

from epochal.logs import Moment, Scoreboard, Scored, running_mean, scoreboard
from epochal.metrics import BinaryAccuracy, MeanAbsoluteError, MeanMetricWrapper, Metric, get

Batch = tuple[Tensor, Tensor, Tensor, Tensor]  # targets, outputs, weights, loss


class Largest(Metric):
    """A metric as users write them: its state is a plain attribute, added to in place."""

    def __init__(self, name: str = "largest") -> None:
        super().__init__(name=name)
        self.seen = 0
        self.peak = torch.full((), -math.inf)

    def update_state(self, y_true: Any, y_pred: Any, sample_weight: Any = None) -> None:
        self.seen += len(y_pred)
        torch.maximum(self.peak, y_pred.max(), out=self.peak)

    def result(self) -> Any:
        return self.peak

    def reset_state(self) -> None:
        self.seen = 0
        self.peak.fill_(-math.inf)


class Positives(Metric):
    """Its result is its own weight, as in Keras' guide."""

    def __init__(self, name: str = "positives") -> None:
        super().__init__(name=name)
        self.count = self.add_weight(name="count")

    def update_state(self, y_true: Any, y_pred: Any, sample_weight: Any = None) -> None:
        self.count.assign_add((y_pred > 0.5).sum())

    def result(self) -> Any:
        return self.count


class Waits(TorchDispatchMode):
    """Counts the operations that bring a value to the host."""

    count = 0

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if func is torch.ops.aten._local_scalar_dense.default:
            self.count += 1
        return func(*args, **(kwargs or {}))


def scored() -> list[Scored]:
    return [
        Scored("acc", BinaryAccuracy(name="acc")),
        Scored("mae", MeanAbsoluteError(name="mae")),
        Scored("weighted_mae", MeanAbsoluteError(), weighted=True),
        Scored("own", get(lambda y_true, y_pred: (y_true - y_pred).square().mean())),
        Scored("largest", Largest()),
        Scored("positives", Positives()),
    ]


def expected(batches: list[Batch]) -> dict[str, float]:
    """What the board should say, from all rows at once, in float64 and by NumPy."""
    y, p, w = (torch.cat([batch[i] for batch in batches]).double().numpy() for i in range(3))
    sizes = [len(batch[0]) for batch in batches]
    error = np.abs(y - p)[:, 0]
    squares = [float((batch[0] - batch[1]).double().square().mean()) for batch in batches]
    return {
        "loss": np.average([float(batch[3]) for batch in batches], weights=sizes),
        "acc": ((p > 0.5) == y).mean(),
        "mae": error.mean(),
        "weighted_mae": (error * w).sum() / w.sum(),
        "own": np.average(squares, weights=sizes),
        "largest": p.max(),
        "positives": (p > 0.5).sum(),
    }


def make(sizes: list[int], seed: int = 0) -> list[Batch]:
    generator = torch.Generator().manual_seed(seed)
    return [
        (
            torch.randint(0, 2, (size, 1), generator=generator).float(),
            torch.rand(size, 1, generator=generator),
            torch.rand(size, generator=generator) + 0.1,
            torch.rand((), generator=generator),
        )
        for size in sizes
    ]


def add(board: Scoreboard, batch: Batch) -> None:
    y, p, w, loss = batch
    board.add_loss(loss, len(y))
    board.add_outputs(y, p, w)


def read(moment: Moment) -> dict[str, float]:
    return {name: moment.read(name) for name in moment.names}


def same(found: dict[str, float], batches: list[Batch]) -> bool:
    # float32 outputs: squares and absolute errors are rounded once, to 1e-7 of their size.
    return found == {name: pytest.approx(v, rel=1e-6) for name, v in expected(batches).items()}


@pytest.fixture(params=["default", "scored often"])
def bound(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    if request.param == "scored often":
        monkeypatch.setattr(scoreboard, "_BATCHES_KEPT", 3)
    return


@pytest.mark.usefixtures("bound")
@settings(deadline=None, max_examples=40)
@given(sizes=st.lists(st.integers(1, 9), min_size=1, max_size=12), data=st.data())
def test_every_moment_keeps_its_own_values_whenever_and_in_whatever_order_it_is_read(
    sizes: list[int], data: st.DataObject
) -> None:
    batches, entries = make(sizes), scored()
    board = Scoreboard(["loss"], entries)
    moments = {}
    for index, batch in enumerate(batches, 1):
        add(board, batch)
        if data.draw(st.booleans(), label=f"keep {index}"):
            moments[index] = board.moment()
            if data.draw(st.booleans(), label=f"read {index}"):
                assert same(read(moments[index]), batches[:index])
    moments[len(batches)] = board.moment()
    if data.draw(st.booleans(), label="close"):
        board.close()
        moments[len(batches)] = board.moment()
    if data.draw(st.booleans(), label="another pass"):
        other = Scoreboard(["loss"], entries)
        other_batches = make([3, 2], seed=1)
        for batch in other_batches:
            add(other, batch)
        late = other.moment()
    else:
        late = None
    for index in data.draw(st.permutations(sorted(moments))):
        names = data.draw(st.permutations(moments[index].names))
        assert same({name: moments[index].read(name) for name in names}, batches[:index])
    if late is not None:
        assert same(read(late), other_batches)


def test_two_scoreboards_may_use_the_same_metrics_in_turns() -> None:
    entries = scored()[:3]
    first, second = Scoreboard(["loss"], entries), Scoreboard(["loss"], entries)
    ones, twos = make([4, 2, 5], seed=1), make([3, 3, 1], seed=2)
    names = ("loss", "acc", "mae", "weighted_mae")
    for index, (one, two) in enumerate(zip(ones, twos, strict=True), 1):
        for board, batch, batches in ((first, one, ones), (second, two, twos)):
            add(board, batch)
            want = expected(batches[:index])
            moment = board.moment()
            assert {n: moment.read(n) for n in names} == {
                n: pytest.approx(want[n], rel=1e-6) for n in names
            }


def test_adding_and_unread_moments_never_read_from_the_device(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(running_mean, "_on_host", lambda _: False)  # as on any other device
    batches = make([8] * 1500 + [5])
    board = Scoreboard(["loss"], scored())
    with Waits() as waits:
        moments = []
        for batch in batches:
            add(board, batch)
            moments.append(board.moment())
    assert waits.count == 0
    assert same(read(moments[700]), batches[:701])


def test_the_counter_of_waits_sees_what_it_should() -> None:
    with Waits() as waits:
        torch.tensor(1.0).item()
        float(torch.tensor(1.0) + 1)
    assert waits.count == 2


def test_a_long_pass_of_small_numbers_stays_exact() -> None:
    values = np.random.default_rng(0).random(200_000).astype(np.float32)
    board = Scoreboard(["loss"], [Scored("mae", MeanAbsoluteError())])
    for part in torch.from_numpy(values).split(64):
        board.add_loss(part.mean(), len(part))
        board.add_outputs(torch.zeros(len(part), 1), part[:, None], None)
    assert board.moment().read("mae") == pytest.approx(math.fsum(values) / len(values), rel=1e-9)


def test_outputs_kept_are_bounded_by_values_and_by_number() -> None:
    board = Scoreboard(["loss"], [Scored("acc", BinaryAccuracy())])
    peak = 0
    for _ in range(2500):
        board.add_outputs(torch.zeros(2, 1), torch.zeros(2, 1), None)
        peak = max(peak, len(board.moment().kept))
    assert peak <= 1024
    board = Scoreboard(["loss"], [Scored("acc", BinaryAccuracy())])
    for _ in range(40):
        board.add_outputs(torch.zeros(100_000, 1), torch.zeros(100_000, 1), None)
        peak = sum(kept.y_true.numel() + kept.y_pred.numel() for kept in board.moment().kept)
        assert peak <= 2**20


def test_coalesced_equals_batch_by_batch_for_ragged_sequences() -> None:
    class PerBatch(MeanMetricWrapper):
        """The same metric, but updated at every batch."""

    def error(y_true: Tensor, y_pred: Tensor) -> Tensor:
        return (y_true - y_pred).abs()

    class Joined(MeanMetricWrapper, coalesce=True):
        """Updated with many batches at once."""

    entries = [
        Scored(f"{how.__name__}{weighted}", how(error), None, weighted)
        for how in (PerBatch, Joined)
        for weighted in (False, True)
    ]
    board = Scoreboard(["loss"], entries)
    generator = torch.Generator().manual_seed(0)
    for length in (3, 3, 5, 1, 5):
        y, p = torch.rand(2, 4, length, generator=generator)
        board.add_outputs(y, p, torch.rand(4, generator=generator))
    moment = board.moment()
    for weighted in (False, True):
        joined, per_batch = moment.read(f"Joined{weighted}"), moment.read(f"PerBatch{weighted}")
        assert joined == pytest.approx(per_batch, rel=1e-6)


class Pair(NamedTuple):
    first: Tensor
    second: Tensor


@pytest.mark.parametrize("how", [dict, tuple, list, Pair])
def test_each_metric_sees_its_own_output(how: Any) -> None:
    def build(a: Tensor, b: Tensor) -> Any:
        if how is dict:
            return {"a": a, "b": b}
        return how(a, b) if how is Pair else how((a, b))

    keys = ("a", "b") if how is dict else (0, 1)
    shared = MeanAbsoluteError()
    entries = [Scored(f"{key}_mae", shared, key, True) for key in keys]
    board = Scoreboard(["loss", "a_loss", "b_loss"], entries)
    generator = torch.Generator().manual_seed(0)
    rows = [torch.rand(6, n, 1, generator=generator) for n in (4, 4, 3)]
    for ya, yb, pa, pb, wa, wb in rows:
        board.add_loss(ya.mean(), len(ya), [ya.sum(), yb.sum()])
        board.add_outputs(build(ya, yb), build(pa, pb), build(wa[:, 0], wb[:, 0]))
    moment = board.moment()
    for key, y, p, w in ((keys[0], 0, 2, 4), (keys[1], 1, 3, 5)):
        error = torch.cat([(row[y] - row[p]).abs() for row in rows]).double()
        weight = torch.cat([row[w] for row in rows]).double()
        want = float((error * weight).sum() / weight.sum())
        assert moment.read(f"{key}_mae") == pytest.approx(want, rel=1e-6)
    parts = [float(row[1].sum()) for row in rows]
    assert moment.read("b_loss") == pytest.approx(np.average(parts, weights=[4, 4, 3]), rel=1e-6)


def test_one_target_for_several_outputs_and_no_weights() -> None:
    board = Scoreboard(
        ["loss"], [Scored("a", BinaryAccuracy(), "a"), Scored("b", Positives(), "b")]
    )
    outputs = {"a": torch.tensor([[0.9], [0.1]]), "b": torch.tensor([[0.9], [0.8]])}
    board.add_outputs(torch.tensor([[1.0], [1.0]]), outputs, None)
    assert read(board.moment())["a"] == 0.5
    assert read(board.moment())["b"] == 2.0


def test_outputs_without_rows_are_scored_as_they_came() -> None:
    board = Scoreboard(["loss"], [Scored("mae", MeanAbsoluteError())])
    board.add_outputs(torch.tensor(1.0), torch.tensor(3.0), None)
    board.add_outputs(torch.tensor(1.0), torch.tensor(2.0), None)
    assert board.moment().read("mae") == 1.5


def test_a_board_without_metrics_asks_for_no_outputs() -> None:
    assert not Scoreboard(["loss"]).scores
    assert Scoreboard(["loss"], scored()).scores
    assert math.isnan(Scoreboard(["loss"]).moment().read("loss"))


def test_starting_a_pass_resets_the_metrics() -> None:
    entries = scored()
    for _ in range(2):
        board = Scoreboard(["loss"], entries)
        batches = make([4, 3])
        for batch in batches:
            add(board, batch)
        board.close()
        assert same(read(board.moment()), batches)
    assert float(entries[0].metric.result()) == pytest.approx(expected(batches)["acc"])


class Several(Metric):
    """Results that are not one number."""

    def __init__(self, answer: Any) -> None:
        super().__init__(name="several")
        self.answer = answer

    def update_state(self, y_true: Any, y_pred: Any, sample_weight: Any = None) -> None:
        pass

    def result(self) -> Any:
        return self.answer


@pytest.mark.parametrize(
    ("answer", "want"),
    [
        (3, 3.0),
        (True, 1.0),
        (np.float32(0.5), 0.5),
        (np.array([1, 2]), [1.0, 2.0]),
        (torch.tensor([1, 2]), [1.0, 2.0]),
        ([torch.tensor(1), 2], [1.0, 2.0]),
        ([{"a": torch.tensor(1.0), "b": (1, 2)}], [{"a": 1.0, "b": [1.0, 2.0]}]),
        (torch.tensor(1.5, requires_grad=True), 1.5),
    ],
)
def test_results_of_every_kind_become_plain_numbers(answer: Any, want: Any) -> None:
    found = Scoreboard(["loss"], [Scored("several", Several(answer))]).moment().read("several")
    assert found == want
    assert type(found) is type(want)


def test_a_result_changed_in_place_later_stays_as_it_was() -> None:
    metric = Several({"array": np.zeros(2), "list": [torch.zeros(())]})
    keys = {"array": "array", "their_list": "list"}
    board = Scoreboard(["loss"], [Scored("array", metric, keys=keys)])
    moment = board.moment()
    metric.answer["array"] += 1
    metric.answer["list"][0].add_(1)
    assert read(moment) | {"loss": 0} == {"loss": 0, "array": [0.0, 0.0], "their_list": [0.0]}
