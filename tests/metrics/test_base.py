"""The contract of a metric as users write it."""

import copy
from typing import Any

import numpy as np
import pytest
import torch

from epochal import backend
from epochal.core.errors import UsageError, UsageTypeError
from epochal.metrics import Mean, MeanAbsoluteError, Metric


class F1(Metric):
    """Written as for Keras: weights by name, backend functions, arithmetic on weights."""

    def __init__(self, threshold: float = 0.5, name: str = "f1", **keywords: Any) -> None:
        super().__init__(name=name, **keywords)
        self.threshold = threshold
        self.tp = self.add_weight(name="tp", initializer="zeros")
        self.fp = self.add_weight("fp", initializer="zeros")  # the older form
        self.fn = self.add_variable(shape=(), initializer="zeros", name="fn")

    def update_state(self, y_true: Any, y_pred: Any, sample_weight: Any = None) -> None:
        positive = backend.cast(y_pred > self.threshold, "float32")
        y_true = backend.cast(y_true, "float32")
        self.tp.assign_add(backend.sum(positive * y_true))
        self.fp.assign_add(backend.sum(positive * (1 - y_true)))
        self.fn.assign_add(torch.sum((1 - positive) * y_true))

    def result(self) -> Any:
        return 2 * self.tp / (2 * self.tp + self.fp + self.fn + backend.epsilon())


def rows(n: int, seed: int) -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(seed)
    return torch.randint(0, 2, (n,), generator=generator), torch.rand(n, generator=generator)


def test_a_metric_written_for_keras_agrees_with_scikit_learn() -> None:
    from sklearn.metrics import f1_score

    metric, batches = F1(), [rows(20, 0), rows(7, 1)]
    for y_true, y_pred in batches:
        assert metric.update_state(y_true, y_pred) is None
    y, p = (torch.cat(parts).numpy() for parts in zip(*batches, strict=True))
    assert float(metric.result()) == pytest.approx(f1_score(y, p > 0.5), rel=1e-6)
    metric.reset_state()
    assert float(metric(*batches[1])) == pytest.approx(
        f1_score(batches[1][0], batches[1][1] > 0.5), rel=1e-6
    )


def test_weights_are_listed_in_order_and_named_apart() -> None:
    metric = F1()
    assert (
        [w.name for w in metric.variables] == ["tp", "fp", "fn"] == [w.name for w in metric.weights]
    )
    assert [metric.add_weight().name, metric.add_weight(name="tp").name] == ["weight_3", "tp_1"]


def test_the_name_is_the_class_in_snake_case_unless_given() -> None:
    class HitRate(Mean):
        def __init__(self) -> None:
            Metric.__init__(self)

    assert HitRate().name == "hit_rate"
    assert F1(name="x").name == "x"
    assert repr(F1()) == "<F1 name='f1'>"


def test_the_configuration_makes_an_equal_metric() -> None:
    class Own(F1):
        def __init__(self, threshold: float = 0.5, name: str = "own", dtype: Any = None) -> None:
            super().__init__(threshold, name, dtype=dtype)

    metric = Own(0.3, dtype=torch.float32)
    config = metric.get_config()
    assert config == {"threshold": 0.3, "name": "own", "dtype": "float32"}
    again = Own.from_config(config)
    assert again.get_config() == config
    assert again.tp.value.dtype == torch.float32


def test_the_dtype_of_a_weight_is_its_own_then_the_metrics_then_float64() -> None:
    assert F1().tp.value.dtype == torch.float64
    metric = F1(dtype="float32")
    assert metric.tp.value.dtype == torch.float32
    assert metric.add_weight(dtype="int32", shape=[2, 3]).value.dtype == torch.int32
    assert metric.variables[-1].shape == (2, 3)


def test_misspelt_arguments_are_refused_with_the_nearest_name() -> None:
    with pytest.raises(UsageTypeError, match="did you mean 'dtype'"):
        F1(dtpe="float32")
    with pytest.raises(UsageTypeError, match="did you mean 'initializer'"):
        F1().add_weight(name="x", initialiser="zeros")


def test_a_metric_without_update_or_result_cannot_be_made() -> None:
    class Forgetful(Metric):
        def update_state(self, y_true: Any, y_pred: Any, sample_weight: Any = None) -> None:
            pass

    with pytest.raises(TypeError, match="result"):
        Forgetful()  # type: ignore[abstract]


def test_snapshots_put_back_what_was() -> None:
    metric = F1()
    metric.update_state(*rows(20, 0))
    before, snapshot = float(metric.result()), metric.snapshot()
    metric.update_state(*rows(20, 1))
    metric.reset_state()
    metric.update_state(*rows(20, 2))
    metric.restore(snapshot)
    assert float(metric.result()) == before


def test_states_are_saved_by_name_and_checked_when_loaded() -> None:
    metric, other = F1(), F1()
    metric.update_state(*rows(20, 0))
    other.load_state_dict(metric.state_dict())
    assert float(other.result()) == float(metric.result())
    with pytest.raises(
        UsageError, match=r"got the weights \['tp'\], expected \['fn', 'fp', 'tp'\]"
    ):
        other.load_state_dict({"tp": torch.tensor(1.0)})
    with pytest.raises(UsageError, match="shape"):
        other.load_state_dict({**metric.state_dict(), "tp": torch.ones(2)})


class Composite(Metric):
    """Made of other metrics, which it does not reset itself."""

    def __init__(self, name: str = "composite") -> None:
        super().__init__(name=name)
        self.first = Mean()
        self.others = {"mae": [MeanAbsoluteError(), self.first]}

    def update_state(self, y_true: Any, y_pred: Any, sample_weight: Any = None) -> None:
        self.first.update_state(y_pred)
        self.others["mae"][0].update_state(y_true, y_pred)

    def result(self) -> Any:
        return self.first.result() + self.others["mae"][0].result()


def test_metrics_in_attributes_are_reset_and_saved_with_their_owner() -> None:
    metric, values = Composite(), (torch.zeros(3), torch.ones(3))
    assert list(metric.state_dict()) == [
        "first.total",
        "first.count",
        "others['mae'][0].total",
        "others['mae'][0].count",
    ]
    assert float(metric(*values)) == 2.0
    snapshot = metric.snapshot()
    metric.reset_state()
    assert float(metric.result()) == 0.0
    metric.restore(snapshot)
    assert float(metric.result()) == 2.0
    again = Composite()
    again.load_state_dict(metric.state_dict())
    assert float(again.result()) == 2.0


def test_metrics_that_come_into_attributes_later_belong_to_their_owner_too() -> None:
    metric = MeanAbsoluteError()
    assert len(metric.variables) == 2
    metric.more, metric.named, metric.single = [], {}, None
    assert len(metric.variables) == 2
    metric.more.append(Mean())
    metric.named["one"] = Mean()
    metric.single = Mean()
    assert len(metric.variables) == 8
    copied = copy.deepcopy(metric)
    assert list(copied.state_dict()) == list(metric.state_dict())
    metric.single = 3
    del metric.more
    assert list(metric.state_dict()) == [
        "total",
        "count",
        "named['one'].total",
        "named['one'].count",
    ]
    assert len(copied.variables) == 8


class ResetsOld(Composite):
    resets = 0

    def reset_states(self) -> None:
        self.resets += 1
        super().reset_states()


class ResetsNew(Composite):
    resets = 0

    def reset_state(self) -> None:
        self.resets += 1
        super().reset_state()


@pytest.mark.parametrize("kind", [ResetsOld, ResetsNew, type("Below", (ResetsOld,), {})])
@pytest.mark.parametrize("call", ["reset_state", "reset_states"])
def test_the_old_and_the_new_name_of_resetting_are_one_method(kind: Any, call: str) -> None:
    metric = kind()
    metric.update_state(torch.zeros(3), torch.ones(3))
    getattr(metric, call)()
    assert metric.resets == 1
    assert float(metric.result()) == 0.0


def test_coalescing_is_declared_and_never_inherited() -> None:
    class Overridden(MeanAbsoluteError):  # noqa: N818  an error of numbers
        pass

    assert MeanAbsoluteError.coalesce
    assert not Overridden.coalesce
    assert not Metric.coalesce


@pytest.mark.parametrize(
    "values",
    [
        [1.0, 3.0],
        (1, 3),
        np.array([3.0, 1.0])[::-1],
        np.array([1, 3], dtype="uint16"),
        np.array([1, 3], dtype=">f8"),
        torch.tensor([1.0, 3.0], requires_grad=True),
        torch.tensor([1, 3]),
    ],
)
def test_arrays_of_every_kind_can_be_taken_in_by_hand(values: Any) -> None:
    assert float(Mean()(values)) == 2.0
    assert float(MeanAbsoluteError()(values, values)) == 0.0
    assert not Mean()(values).requires_grad
