"""What ModelCheckpoint saves, when, and under which name."""

import errno

import pytest
import torch
from safetensors import safe_open
from torch import nn

import epochal
from epochal.callbacks import Callback, ModelCheckpoint
from epochal.core.errors import UsageError
from epochal.storage import StorageError
from epochal.storage.disk import Disk, use_disk

X = torch.randn(12, 2)
Y = X[:, :1]


class Scores(Callback):
    """Logs given values, so that the best epoch is known."""

    provides = ("score",)

    def __init__(self, values):
        self.values = values

    def on_epoch_end(self, epoch, logs=None):
        logs["score"] = self.values[epoch]


def fitted(*callbacks, epochs=3, **arguments):
    model = epochal.Model(nn.Linear(2, 1))
    model.compile("sgd", "mse")
    model.fit(X, Y, batch_size=3, epochs=epochs, verbose=0, callbacks=list(callbacks), **arguments)
    return model


def names(folder):
    return sorted(path.name for path in folder.iterdir())


def test_a_file_an_epoch_named_by_epoch_and_logs_in_folders_that_are_made(tmp_path):
    fitted(ModelCheckpoint(tmp_path / "a" / "{epoch:02d}-{loss:.1e}.safetensors"))
    assert [name[:3] for name in names(tmp_path / "a")] == ["01-", "02-", "03-"]


def test_only_the_best_is_saved_and_nan_is_never_it(tmp_path):
    path = tmp_path / "{epoch}.safetensors"
    scores = Scores([float("nan"), 2.0, 3.0, 1.0, float("nan"), 1.5])
    checkpoint = ModelCheckpoint(path, "score", mode="min", save_best_only=True)
    fitted(scores, checkpoint, epochs=6)
    assert names(tmp_path) == ["2.safetensors", "4.safetensors"]
    assert checkpoint.best == 1.0


def test_the_best_of_an_earlier_fit_is_not_overwritten_by_a_worse_one(tmp_path):
    checkpoint = ModelCheckpoint(
        tmp_path / "best.safetensors", "score", mode="max", save_best_only=True
    )
    model = fitted(Scores([1.0, 5.0, 2.0]), checkpoint)
    kept = (tmp_path / "best.safetensors").read_bytes()
    model.fit(X, Y, epochs=2, verbose=0, callbacks=[Scores([3.0, 4.0]), checkpoint])
    assert (tmp_path / "best.safetensors").read_bytes() == kept
    fitted(
        Scores([3.0, 4.0]),
        ModelCheckpoint(
            tmp_path / "best.safetensors",
            "score",
            mode="max",
            save_best_only=True,
            initial_value_threshold=5.0,
        ),
        epochs=2,
    )
    assert (tmp_path / "best.safetensors").read_bytes() == kept


def test_the_older_period_saves_every_so_many_epochs(tmp_path):
    fitted(ModelCheckpoint(tmp_path / "{epoch}.safetensors", period=2), epochs=5)
    assert names(tmp_path) == ["2.safetensors", "4.safetensors"]


def test_saving_after_batches_counts_through_all_epochs(tmp_path):
    path = tmp_path / "e{epoch}b{batch}.safetensors"
    fitted(ModelCheckpoint(path, save_freq=3))
    assert names(tmp_path) == [f"{name}.safetensors" for name in ("e1b3", "e2b2", "e3b1", "e3b4")]


def test_saving_the_best_after_batches_works(tmp_path):
    fitted(ModelCheckpoint(tmp_path / "b.safetensors", "loss", save_freq=2, save_best_only=True))
    assert names(tmp_path) == ["b.safetensors"]
    with pytest.raises(UsageError, match="known at the end of an epoch"):
        fitted(
            ModelCheckpoint(tmp_path / "c.safetensors", save_freq=2, save_best_only=True),
            validation_data=(X, Y),
        )


def test_the_oldest_files_are_removed_after_the_new_one_is_there(tmp_path):
    (tmp_path / "0.safetensors").write_bytes(b"not ours")
    fitted(ModelCheckpoint(tmp_path / "{epoch}.safetensors", max_to_keep=2), epochs=5)
    assert names(tmp_path) == ["0.safetensors", "4.safetensors", "5.safetensors"]


def test_an_old_file_that_cannot_be_removed_is_an_error_that_names_it(tmp_path):
    class Sticky(Disk):
        def unlink(self, path):
            raise PermissionError(errno.EACCES, "Permission denied")

    with (
        use_disk(Sticky()),
        pytest.raises(StorageError, match=r"cannot remove .*1\.safetensors: Perm"),
    ):
        fitted(ModelCheckpoint(tmp_path / "{epoch}.safetensors", max_to_keep=1), epochs=2)
    (tmp_path / "1.safetensors").unlink()  # one that somebody else has removed is no error
    fitted(ModelCheckpoint(tmp_path / "{epoch}.safetensors", max_to_keep=1), epochs=2)


def test_weights_alone_or_the_optimizer_too(tmp_path):
    fitted(
        ModelCheckpoint(tmp_path / "w.safetensors", save_weights_only=True),
        ModelCheckpoint(tmp_path / "m.safetensors"),
    )
    with safe_open(tmp_path / "w.safetensors", "pt") as file:
        assert sorted(file.keys()) == ["bias", "weight"]
    with safe_open(tmp_path / "m.safetensors", "pt") as file:
        assert {"bias", "weight"} <= set(file.keys())


def test_validation_values_are_watched_in_the_epochs_that_have_them(tmp_path):
    fitted(
        ModelCheckpoint(tmp_path / "{epoch}.safetensors", save_best_only=True),
        epochs=4,
        validation_data=(X, Y),
        validation_freq=2,
    )
    assert set(names(tmp_path)) <= {"2.safetensors", "4.safetensors"}
    assert "2.safetensors" in names(tmp_path)


def test_verbose_says_what_is_saved_and_why(tmp_path, capsys):
    path = str(tmp_path / "b.safetensors")
    fitted(
        Scores([2.0, float("nan"), 1.0, 3.0]),
        ModelCheckpoint(path, "score", verbose=1, mode="min", save_best_only=True),
        epochs=4,
    )
    assert capsys.readouterr().out.splitlines() == [
        f"ModelCheckpoint: epoch 1: score improved to 2; saved {path}",
        "ModelCheckpoint: epoch 2: score is NaN; not saved",
        f"ModelCheckpoint: epoch 3: score improved from 2 to 1; saved {path}",
        "ModelCheckpoint: epoch 4: score did not improve on 1; not saved",
    ]


@pytest.mark.parametrize(
    ("arguments", "match"),
    [
        ({"filepath": "m.safetensors", "save_freq": 0}, "save_freq is 0"),
        ({"filepath": "m.safetensors", "save_freq": True}, "save_freq is True"),
        ({"filepath": "m.safetensors", "save_freq": "epochs"}, "save_freq is 'epochs'"),
        ({"filepath": "m.safetensors", "max_to_keep": 0}, "max_to_keep is 0"),
        ({"filepath": "m.safetensors", "period": 0}, "period is 0"),
        ({"filepath": "m.safetensors", "period": 2, "save_freq": 5}, "period is 2"),
        ({"filepath": "m.safetensors", "mode": "mn"}, "did you mean 'min'"),
    ],
)
def test_bad_arguments_are_refused_when_it_is_made(arguments, match):
    with pytest.raises(UsageError, match=match):
        ModelCheckpoint(**arguments)


@pytest.mark.parametrize(
    ("path", "match"),
    [
        ("{val_los}.safetensors", "unknown field 'val_los'.*did you mean 'val_loss'"),
        ("{batch}.safetensors", "unknown field 'batch'"),
        ("{loss:d}.safetensors", "cannot be formatted"),
        ("{}.safetensors", "unknown field ''"),
        ("{epoch}.pt", r"ends in \.pt, which stands for pickled files"),
        ("{epoch}", "has no ending"),
        ("{epoch}.weights.h5", r"a \.weights\.h5 file holds weights alone"),
        ("{epoch}.keras", "a Model around modules of torch is made by your code alone"),
    ],
)
def test_a_name_that_cannot_be_written_is_an_error_before_training(path, match):
    with pytest.raises(UsageError, match=match):
        fitted(ModelCheckpoint(path), validation_data=(X, Y))


def test_a_folder_in_the_files_place_is_an_error_before_training(tmp_path):
    (tmp_path / "1.safetensors").mkdir()
    with pytest.raises(UsageError, match="is a folder"):
        fitted(ModelCheckpoint(tmp_path / "{epoch}.safetensors"))


@pytest.mark.parametrize(
    ("ending", "weights_only"),
    [
        (".keras", False),
        (".h5", False),
        (".hdf5", False),
        (".weights.h5", True),
        (".safetensors", True),
    ],
)
def test_every_format_can_be_written_while_it_trains(tmp_path, ending, weights_only):
    model = epochal.Sequential([epochal.layers.Dense(1, input_dim=2)])
    model.compile("adam", "mse")
    path = tmp_path / f"{{epoch}}-best{ending}"
    checkpoint = ModelCheckpoint(path, "loss", save_best_only=True, save_weights_only=weights_only)
    model.fit(X, Y, epochs=2, verbose=0, callbacks=checkpoint)
    last = tmp_path / f"2-best{ending}"
    if weights_only:
        twin = epochal.Sequential([epochal.layers.Dense(1, input_dim=2)])
        twin.load_weights(last)
    else:
        twin = epochal.models.load_model(last)
        assert twin.optimizer.iterations == model.optimizer.iterations
    assert (twin.predict(X, verbose=0) == model.predict(X, verbose=0)).all()
