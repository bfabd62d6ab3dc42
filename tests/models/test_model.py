"""The model around any module: its names, weights, table and switches."""

import copy

import numpy as np
import pytest
import torch
from torch import nn

import epochal
from epochal.core.errors import UsageError, UsageTypeError
from epochal.layers import Dense, Dropout

X, Y = np.random.default_rng(1).normal(size=(12, 3)).astype("float32"), np.ones((12, 1), "float32")


def wrapped():
    return epochal.Model(nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4), nn.Linear(4, 1)))


def test_wrapping_adds_no_prefix_to_any_name():
    model = wrapped()
    assert list(model.state_dict()) == list(model.network.state_dict())
    assert [name for name, _ in model.named_parameters()] == [
        name for name, _ in model.network.named_parameters()
    ]
    outer = nn.ModuleDict({"inner": model})
    assert list(outer.state_dict()) == [f"inner.{name}" for name in model.network.state_dict()]
    twice = epochal.Model(model)
    assert list(twice.state_dict()) == list(model.network.state_dict())


def test_state_moves_between_a_wrapped_module_and_the_module_itself():
    model, other = wrapped(), wrapped()
    other.load_state_dict(model.network.state_dict())
    other.network.load_state_dict(model.state_dict())
    nn.ModuleDict({"m": other}).load_state_dict(nn.ModuleDict({"m": model}).state_dict())
    assert all(
        torch.equal(a, b)
        for a, b in zip(model.state_dict().values(), other.state_dict().values(), strict=True)
    )
    missing = dict(list(model.state_dict().items())[1:])
    with pytest.raises(RuntimeError, match=r'Missing key\(s\) in state_dict: "0\.weight"'):
        other.load_state_dict(missing)
    with pytest.raises(RuntimeError, match=r'Unexpected key\(s\) in state_dict: "extra"'):
        other.load_state_dict({**model.state_dict(), "extra": torch.ones(1)})


def test_a_subclass_may_write_forward_or_call_and_be_told_whether_it_trains():
    told = []

    class Called(epochal.Model):
        def __init__(self):
            super().__init__()
            self.layer = nn.Linear(3, 1)

        def call(self, inputs, training=None, mask=None):
            told.append(training)
            return self.layer(inputs)

    class Plain(Called):
        def call(self, inputs):
            return self.layer(inputs)

    for kind in (Called, Plain):
        model = kind()
        model.compile("sgd", "mse")
        model.fit(X, Y, verbose=0)
        assert model.predict(X, verbose=0).shape == (12, 1)
    assert told == [False, True, False]  # dry run, step, prediction


def test_weights_go_out_and_in_as_arrays_in_the_layers_order():
    model = epochal.Sequential([Dense(4, input_dim=3), nn.BatchNorm1d(4), Dense(1)])
    arrays = model.get_weights()
    assert [array.shape for array in arrays] == [
        (3, 4),
        (4,),
        (4,),
        (4,),
        (4,),
        (4,),
        (),
        (4, 1),
        (1,),
    ]
    twin = epochal.Sequential([Dense(4, input_dim=3), nn.BatchNorm1d(4), Dense(1)])
    twin.set_weights(arrays)
    assert np.allclose(model.predict(X, verbose=0), twin.predict(X, verbose=0))
    before = twin.get_weights()
    with pytest.raises(UsageError, match="got 10 arrays; expected 9"):
        twin.set_weights([*arrays, np.ones(1)])
    with pytest.raises(UsageError, match=r"dense/kernel: got shape \(2, 2\); expected \(3, 4\)"):
        twin.set_weights([np.ones((2, 2)), *arrays[1:]])
    assert all((a == b).all() for a, b in zip(before, twin.get_weights(), strict=True))
    arrays[0][:] = 7.0
    assert (model.get_weights()[0] != 7.0).all()  # copies


def test_parameters_are_counted_once_and_only_when_they_exist():
    assert wrapped().count_params() == 3 * 4 + 4 + 4 * 4 + 1 + 4 + 1
    with pytest.raises(UsageError, match="no weights yet"):
        epochal.Sequential([Dense(3)]).count_params()
    with pytest.raises(UsageError, match="no weights yet"):
        epochal.Sequential([Dense(3)]).get_weights()
    layer = nn.Linear(3, 3)
    assert epochal.Model(nn.Sequential(layer, layer)).count_params() == 12


def test_the_summary_names_layers_shapes_and_parameters(capsys):
    texts = []
    model = epochal.Sequential([Dense(4, input_dim=3), Dropout(0.5), Dense(1, trainable=False)])
    model.summary(print_fn=texts.append)
    text = texts[0]
    for part in (
        "dense (Dense)",
        "(None, 4)",
        "16",
        "dropout (Dropout)",
        "dense_1 (Dense)",
        "Parameters: 21 (84 B)",
        "Trained: 16",
        "Not trained: 5",
    ):
        assert part in text
    model.summary()
    assert "dense_1" in capsys.readouterr().out
    texts.clear()
    lazy = epochal.Sequential([Dense(4)])
    lazy.summary(print_fn=texts.append)
    assert "not built" in texts[0]
    assert "?" in texts[0]
    lazy.predict(X, verbose=0)
    lazy.summary(print_fn=texts.append)
    assert "(None, 4)" in texts[1]
    texts.clear()
    net = wrapped()
    net.compile("sgd", "mse")
    net.fit(X, Y, verbose=0)
    net.summary(print_fn=texts.append)
    assert "1 (BatchNorm1d)" in texts[0]
    assert "(None, 1)" in texts[0]


def test_a_summary_shows_models_inside_and_what_is_trained(capsys):
    inner = epochal.Sequential([Dense(4), Dense(2, trainable=False)], name="inner")
    model = epochal.Sequential([inner, nn.Linear(2, 1)])
    model.predict(X, verbose=0)
    model.summary()
    shown = capsys.readouterr().out
    assert 'Model: "sequential"' in shown
    assert "dense" not in shown
    model.summary(expand_nested=True, show_trainable=True)
    rows = [line.replace("│", "").split() for line in capsys.readouterr().out.splitlines()]
    assert ["dense", "(Dense)", "(None,", "4)", "16", "yes"] in rows
    assert ["dense_1", "(Dense)", "(None,", "2)", "10", "no"] in rows
    assert ["linear", "(Linear)", "(None,", "1)", "3", "yes"] in rows
    with pytest.raises(UsageTypeError, match="did you mean 'expand_nested'"):
        model.summary(expand_nest=True)


@pytest.mark.parametrize("x", [{"a": X, "b": X}, (X, X), [X, X]])
def test_a_summary_gives_a_model_its_inputs_as_fit_does(x, capsys):
    class Net(epochal.Model):
        def __init__(self):
            super().__init__()
            self.head = Dense(1)

        def call(self, inputs):
            a, b = inputs.values() if isinstance(inputs, dict) else inputs
            return self.head(a + b)

    model = Net()
    model.predict(x, verbose=0)
    model.summary()
    assert "(None, 1)" in capsys.readouterr().out


def test_metrics_names_are_the_log_names():
    model = wrapped()
    model.compile("sgd", "mse", metrics=["mae", epochal.metrics.MeanSquaredError(name="sq")])
    assert model.metrics_names == ["loss", "mae", "sq"]
    values = model.evaluate(X, Y, verbose=0, return_dict=True)
    assert list(values) == model.metrics_names
    assert [metric.name for metric in model.metrics] == ["mae", "sq"]
    assert float(model.metrics[1].result()) == pytest.approx(values["sq"])
    model.reset_metrics()
    assert float(model.metrics[1].result()) == 0.0


def test_evaluate_returns_a_number_a_list_or_a_dict():
    model = wrapped()
    model.compile("sgd", "mse")
    assert isinstance(model.evaluate(X, Y, verbose=0), float)
    model.compile("sgd", "mse", metrics=["mae"])
    loss, mae = model.evaluate(X, Y, verbose=0)
    assert model.evaluate(X, Y, return_dict=True, verbose=0) == {"loss": loss, "mae": mae}
    assert model.evaluate(X, Y, batch_size=5, verbose=0) == pytest.approx([loss, mae])
    first = model.evaluate(X, Y, batch_size=4, steps=1, verbose=0)
    assert first == pytest.approx(model.evaluate(X[:4], Y[:4], verbose=0))
    none = model.evaluate(X, Y, sample_weight=np.zeros(12), verbose=0)
    assert none[0] == 0.0


def test_predict_gives_numpy_in_the_rows_order_for_any_batch_size():
    model = wrapped()
    model.eval()
    expected = model(torch.tensor(X)).detach().numpy()
    for size in (1, 5, 12, 100):
        assert np.allclose(model.predict(X, batch_size=size, verbose=0), expected, atol=1e-6)
    loader = torch.utils.data.DataLoader(
        torch.utils.data.TensorDataset(torch.tensor(X), torch.tensor(Y)), 5
    )
    assert np.allclose(model.predict(loader, verbose=0), expected, atol=1e-6)
    assert model.predict(X, steps=2, batch_size=5, verbose=0).shape == (10, 1)
    half = epochal.Model(copy.deepcopy(model.network).bfloat16())
    assert half.predict(torch.tensor(X).bfloat16(), verbose=0).dtype == np.float32


def test_predict_keeps_the_mode_the_model_was_in():
    model = wrapped()
    assert model.training
    model.predict(X, verbose=0)
    assert model.training
    model.eval()
    model.compile("sgd", "mse")
    model.evaluate(X, Y, verbose=0)
    assert not model.training


def test_stop_predicting_and_stop_evaluating_end_after_the_batch_at_hand():
    def stop(name):
        def hook(batch, logs):
            setattr(model, name, True)

        return hook

    model = wrapped()
    model.compile("sgd", "mse")
    predict = epochal.callbacks.LambdaCallback(on_predict_batch_end=stop("stop_predicting"))
    assert model.predict(X, batch_size=5, verbose=0, callbacks=predict).shape == (5, 1)
    evaluate = epochal.callbacks.LambdaCallback(on_test_batch_end=stop("stop_evaluating"))
    got = model.evaluate(X, Y, batch_size=5, verbose=0, callbacks=evaluate)
    assert got == pytest.approx(model.evaluate(X[:5], Y[:5], verbose=0))


def test_the_optimizers_learning_rate_reads_as_a_number_and_can_be_set():
    from epochal import backend as K

    model = wrapped()
    model.compile("adam", "mse")
    assert model.optimizer.learning_rate == 0.001
    K.set_value(model.optimizer.learning_rate, 0.5)
    assert K.get_value(model.optimizer.lr) == 0.5
    assert model.loss == "mse"
    assert model.compiled


def test_importing_the_package_imports_no_torch():
    import subprocess
    import sys

    code = (
        "import sys, epochal; assert 'torch' not in sys.modules; dir(epochal); "
        "epochal.Model; assert 'torch' in sys.modules; epochal.callbacks.EarlyStopping; "
        "import epochal.ops; epochal.utils.set_random_seed(1)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
    with pytest.raises(AttributeError, match="no attribute 'Sequental'"):
        epochal.Sequental  # noqa: B018
