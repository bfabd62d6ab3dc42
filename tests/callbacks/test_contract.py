"""What every callback has in common: one life cycle, driven through all of them."""

import inspect

import pytest
import torch
from torch import nn

import epochal
from epochal import callbacks
from epochal.callbacks import Callback
from epochal.stopping import Budget, GeneralizationLoss, MinimumEpochs

X = torch.randn(24, 3)
Y = (X.sum(1, keepdim=True) > 0).float()


class Mean(callbacks.EpochPredictions):
    provides = ("val_mean",)

    def score(self, epoch, y_true, y_pred):
        return {"val_mean": y_pred.mean()}


MAKERS = {
    "BackupAndRestore": lambda folder: callbacks.BackupAndRestore(folder / "backup"),
    "BaseLogger": lambda folder: callbacks.BaseLogger(),
    "CSVLogger": lambda folder: callbacks.CSVLogger(folder / "log.csv"),
    "EarlyStopping": lambda folder: callbacks.EarlyStopping(
        "loss", patience=2, restore_best_weights=True
    ),
    "EarlyStopping by criterion": lambda folder: callbacks.EarlyStopping(
        "loss", criterion=GeneralizationLoss(5) & MinimumEpochs(9) | Budget(samples=1000)
    ),
    "EarlyStopping within epochs": lambda folder: callbacks.EarlyStopping(
        "loss", patience=9, every=2
    ),
    "EpochPredictions": lambda folder: Mean(),
    "History": lambda folder: callbacks.History(),
    "LambdaCallback": lambda folder: callbacks.LambdaCallback(on_epoch_end=lambda e, logs: None),
    "LearningRateScheduler": lambda folder: callbacks.LearningRateScheduler(lambda e, lr: lr * 0.9),
    "ModelCheckpoint": lambda folder: callbacks.ModelCheckpoint(folder / "{epoch}.safetensors"),
    "ProgbarLogger": lambda folder: callbacks.ProgbarLogger(),
    "ReduceLROnPlateau": lambda folder: callbacks.ReduceLROnPlateau("loss", patience=1),
    "RemoteMonitor": lambda folder: callbacks.RemoteMonitor("http://127.0.0.1:9", timeout=0.2),
    "SwapEMAWeights": lambda folder: callbacks.SwapEMAWeights(swap_on_epoch=True),
    "TensorBoard": lambda folder: callbacks.TensorBoard(folder / "tb", write_graph=False),
    "TerminateOnNaN": lambda folder: callbacks.TerminateOnNaN(),
    "Timer": lambda folder: callbacks.Timer(),
    "Webhook": lambda folder: callbacks.Webhook("http://127.0.0.1:9/hook", timeout=0.2),
}
NOT_MADE_ALONE = {"Callback", "CallbackList", "MonitorCallback"}
PUBLIC = [
    name
    for name in callbacks.__all__
    if inspect.isclass(getattr(callbacks, name)) and issubclass(getattr(callbacks, name), Callback)
]


def model(width=4):
    made = epochal.Model(
        nn.Sequential(nn.Linear(3, width), nn.BatchNorm1d(width), nn.Linear(width, 1), nn.Sigmoid())
    )
    made.compile(epochal.optimizers.SGD(0.1, use_ema=True), "binary_crossentropy", metrics=["acc"])
    return made


def fit(made, callback, epochs=3, **arguments):
    needs_validation = isinstance(callback, callbacks.EpochPredictions)
    if needs_validation:
        arguments.setdefault("validation_data", (X, Y))
    extra = arguments.pop("extra", [])
    return made.fit(
        X, Y, batch_size=8, epochs=epochs, verbose=0, callbacks=[callback, *extra], **arguments
    )


def test_every_public_callback_is_driven_here():
    assert {*MAKERS, *NOT_MADE_ALONE} >= set(PUBLIC)


# Nobody listens at port 9; each run says so once, which is what is asked of it.
pytestmark = pytest.mark.filterwarnings("ignore:.*127.0.0.1.9.*:UserWarning")


@pytest.fixture(params=sorted(MAKERS))
def callback(request, tmp_path):
    return MAKERS[request.param](tmp_path)


def test_it_does_not_change_what_is_learnt_unless_that_is_its_purpose(callback):
    purpose = (callbacks.LearningRateScheduler, callbacks.ReduceLROnPlateau)
    if isinstance(callback, purpose):
        pytest.skip("changes the learning rate")
    losses = []
    for given in (callbacks.Callback(), callback):
        torch.manual_seed(5)
        losses.append(fit(model(), given, epochs=2).history["loss"])
    assert losses[0] == losses[1]


def test_two_fits_in_a_row_and_another_model_each_start_anew(callback):
    first = model()
    fit(first, callback)
    again = fit(first, callback)
    assert again.epoch == [0, 1, 2]
    assert fit(model(width=5), callback).epoch == [0, 1, 2]
    assert len(again.history["loss"]) == 3


def test_an_exception_in_the_middle_leaves_it_usable(callback):
    class Breaks(Callback):
        def on_train_batch_end(self, batch, logs=None):
            raise ZeroDivisionError

    made = model()
    with pytest.raises(ZeroDivisionError):
        fit(made, callback, extra=[Breaks()])
    assert fit(made, callback).epoch == [0, 1, 2]


def test_a_stop_in_the_first_epoch_ends_it_well(callback):
    class Stops(Callback):
        def on_train_batch_end(self, batch, logs=None):
            self.model.stop_training = True

    assert fit(model(), callback, extra=[Stops()]).epoch == [0]


def test_evaluate_and_predict_alone_do_not_disturb_it(callback):
    made = model()
    made.fit(X, Y, verbose=0)
    before = made.get_weights()
    made.evaluate(X, Y, verbose=0, callbacks=[callback])
    made.predict(X, verbose=0, callbacks=[callback])
    for old, new in zip(before, made.get_weights(), strict=True):
        assert (old == new).all()


def test_validation_in_every_second_epoch_and_none_at_all_both_work(callback):
    history = fit(model(), callback, epochs=4, validation_data=(X, Y), validation_freq=2)
    assert history.epochs_of["val_loss"] == [1, 3]
    if not isinstance(callback, callbacks.EpochPredictions):
        assert "val_loss" not in fit(model(), callback).history


def test_its_declared_state_goes_out_and_into_a_fresh_one(callback, tmp_path, request):
    fit(model(), callback)
    name = request.node.callspec.params["callback"]
    fresh = MAKERS[name](tmp_path)
    fresh.load_state_dict(callback.state_dict())
    if type(callback).state_dict is callbacks.Callback.state_dict:
        assert set(callback.state_dict()) == set(type(callback).state)
    for key, value in callback.state_dict().items():
        if not isinstance(value, dict) and key in type(callback).state:
            assert getattr(fresh, key) == value


def test_a_misspelt_argument_is_refused(callback):
    kind = type(callback)
    if kind in (Mean,):
        kind = callbacks.EpochPredictions
    required = {
        p.name: "x.safetensors" if p.name == "filepath" else "http://127.0.0.1:9"
        for p in inspect.signature(kind.__init__).parameters.values()
        if p.default is p.empty and p.kind is p.POSITIONAL_OR_KEYWORD and p.name != "self"
    }
    if "schedule" in required:
        required["schedule"] = lambda epoch: 0.1
    with pytest.raises(TypeError, match=r"verbos_|unexpected"):
        kind(**required, verbos_=1)
