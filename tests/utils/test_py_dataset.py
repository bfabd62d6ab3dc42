"""Batches by number, in `fit`, `evaluate` and `predict`."""

import numpy as np
import pytest

import epochal
from epochal.core.errors import UsageError
from epochal.layers import Dense
from epochal.utils import PyDataset, Sequence

X = np.arange(20.0).reshape(10, 2)


class Rows(PyDataset):
    def __init__(self, **keywords):
        super().__init__(**keywords)
        self.begins = self.ends = 0
        self.asked = []

    def __len__(self):
        return 3

    def __getitem__(self, index):
        self.asked.append(index)
        rows = X[index * 4 : index * 4 + 4]
        return rows, rows.sum(axis=1)

    def on_epoch_begin(self):
        self.begins += 1

    def on_epoch_end(self):
        self.ends += 1


def compiled():
    model = epochal.Sequential([Dense(1, input_dim=2)])
    model.compile("sgd", "mse")
    return model


def test_fit_takes_the_batches_in_order_and_tells_of_each_pass():
    data = Rows(workers=1, max_queue_size=4)
    history = compiled().fit(data, epochs=3, verbose=0)
    assert history.params["steps"] == data.num_batches == 3
    assert data.asked == [0, 1, 2] * 3
    assert (data.begins, data.ends) == (3, 3)


def test_evaluate_and_predict_see_every_row_once():
    model, data = compiled(), Rows()
    assert model.predict(data, verbose=0).shape == (10, 1)
    loss = model.evaluate(data, verbose=0)
    assert loss == pytest.approx(model.evaluate(X, X.sum(axis=1), batch_size=4, verbose=0))
    assert data.ends == 2


def test_it_validates_and_takes_class_weights():
    model = epochal.Sequential([Dense(1, activation="sigmoid", input_dim=2)])
    model.compile("sgd", "binary_crossentropy")

    class Labelled(Rows):
        def __getitem__(self, index):
            return np.ones((4, 2)), np.array([0, 1, 1, 0])

    weights = {0: 1.0, 1: 2.0}
    history = model.fit(Labelled(), validation_data=Labelled(), class_weight=weights, verbose=0)
    assert list(history.history) == ["loss", "val_loss"]


def test_a_data_set_that_does_not_call_its_base_works():
    class Bare(Sequence):
        def __init__(self):
            pass

        def __len__(self):
            return 1

        def __getitem__(self, index):
            return X, X[:, 0]

    assert len(compiled().fit(Bare(), verbose=0).epoch) == 1


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Rows(workers=4), r"workers=4 is not supported.*DataLoader with num_workers"),
        (lambda: Rows(use_multiprocessing=True), "use_multiprocessing=True is not supported"),
        (lambda: Rows(worker=1), "did you mean 'workers'"),
        (lambda: list(PyDataset()), "no __len__; return the number of batches"),
        (lambda: PyDataset()[0], r"no __getitem__\(self, index\)"),
    ],
)
def test_what_is_not_there_is_an_error_that_says_what_to_do(make, message):
    with pytest.raises(UsageError, match=message):
        make()
