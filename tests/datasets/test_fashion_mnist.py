import gzip
import os

import numpy as np
import pytest

from epochal.core.errors import UsageError, UsageTypeError
from epochal.datasets import fashion_mnist
from epochal.datasets.download import DownloadError
from epochal.datasets.fashion_mnist import CLASS_NAMES, _load, load_data

SHAPES = [(5, 28, 28), (5,), (2, 28, 28), (2,)]


def shapes(data):
    return [array.shape for part in data for array in part]


@pytest.fixture
def folder(tmp_path, small_files):
    home = tmp_path / "data"
    home.mkdir()
    for name, data in small_files.items():
        (home / name).write_bytes(data)
    return home


def test_the_real_prefix_is_read_as_it_is_known(prefix_folder):
    (x_train, y_train), (x_test, y_test) = load_data(prefix_folder)
    assert x_train.shape == (8226, 28, 28)
    assert x_test.shape == (4443, 28, 28)
    assert {x_train.dtype, y_train.dtype, x_test.dtype, y_test.dtype} == {np.dtype("uint8")}
    assert y_train[:10].tolist() == [9, 0, 0, 3, 0, 2, 7, 2, 5, 5]
    assert y_test[:10].tolist() == [9, 2, 1, 1, 6, 1, 4, 6, 5, 7]
    assert CLASS_NAMES[y_train[0]] == "Ankle boot"
    assert sorted(set(y_test.tolist())) == list(range(len(CLASS_NAMES)))


def test_the_variable_names_the_folder_above_or_the_folder_itself(prefix_folder, monkeypatch):
    for home in (prefix_folder, prefix_folder.parent):
        monkeypatch.setenv("EPOCHAL_DATA", str(home))
        assert shapes(load_data())[1] == (8226,)


def test_the_argument_comes_before_the_variable(folder, monkeypatch):
    monkeypatch.setenv("EPOCHAL_DATA", "/nowhere")
    assert shapes(load_data(str(folder))) == SHAPES
    with pytest.raises(UsageError, match="EPOCHAL_DATA names /nowhere, which is not a folder"):
        load_data()


def test_arrays_can_be_written_to(folder):
    assert all(array.flags.writeable for part in load_data(folder) for array in part)


def test_unpacked_files_are_read_also_beside_the_packed_ones(folder):
    for file in list(folder.iterdir()):
        (folder / file.stem).write_bytes(gzip.decompress(file.read_bytes()))
        file.write_bytes(b"not read")
    assert shapes(load_data(folder)) == SHAPES


def test_missing_files_are_named(folder):
    (folder / "train-labels-idx1-ubyte.gz").unlink()
    (folder / "t10k-labels-idx1-ubyte.gz").unlink()
    with pytest.raises(UsageError, match=r"holds no train-labels\*-ubyte.gz, t10k-labels\*"):
        load_data(folder)


def test_files_that_could_both_be_meant_are_named(folder):
    (folder / "train-labels-first3-idx1-ubyte.gz").touch()
    with pytest.raises(
        UsageError, match=r"several train-labels files: train-labels-first3.*keep one"
    ):
        load_data(folder)


def test_a_file_under_another_ones_name_is_refused(folder):
    images = (folder / "t10k-images-idx3-ubyte.gz").read_bytes()
    (folder / "t10k-labels-idx1-ubyte.gz").write_bytes(images)
    with pytest.raises(UsageError, match="has 3 axes; expected 1"):
        load_data(folder)


def test_files_are_downloaded_once_and_read_from_the_cache_after(server, cache, small_sums, capsys):
    assert shapes(_load(None, server.url, small_sums)) == SHAPES
    assert server.asked == list(small_sums)
    assert sorted(os.listdir(cache)) == sorted(small_sums)
    assert f"Downloading Fashion-MNIST to {cache}" in capsys.readouterr().err
    assert shapes(_load(None, server.url, small_sums)) == SHAPES
    assert len(server.asked) == 4
    assert capsys.readouterr().err == ""
    (cache / "t10k-labels-idx1-ubyte.gz").unlink()
    _load(None, server.url, small_sums)
    assert server.asked[4:] == ["t10k-labels-idx1-ubyte.gz"]


def test_a_file_with_a_wrong_checksum_is_removed_and_both_sums_are_named(server, cache, small_sums):
    name = "train-labels-idx1-ubyte.gz"
    server.bodies[name] = b"something else"
    with pytest.raises(DownloadError) as caught:
        _load(None, server.url, small_sums)
    assert "has MD5 6c7ba9c5a141421e1c03cb9807c97c74, expected " + small_sums[name] in str(
        caught.value
    )
    assert os.listdir(cache) == ["train-images-idx3-ubyte.gz"]


def test_what_to_do_without_the_file_or_the_network_is_said(server, cache, small_sums):
    server.bodies.clear()
    advice = r"give load_data\(path=\.\.\.\) a folder .* or name it in EPOCHAL_DATA"
    with pytest.raises(DownloadError, match=f"the server answers 404 Not Found.*{advice}"):
        _load(None, server.url, small_sums)
    server.shutdown()
    server.server_close()
    with pytest.raises(DownloadError, match=f"cannot be fetched: .*refused.*{advice}"):
        _load(None, server.url, small_sums)
    assert os.listdir(cache) == []


def test_a_body_that_ends_early_is_not_kept(server, cache, small_sums):
    server.cut.add("train-images-idx3-ubyte.gz")
    with pytest.raises(DownloadError, match=r"ended after [\d,]+ of [\d,]+ bytes; try again"):
        _load(None, server.url, small_sums)
    assert os.listdir(cache) == []


def test_the_official_sums_are_those_of_the_data_sets_own_page(prefix_folder):
    page = (prefix_folder / "README.md").read_text()
    assert len(fashion_mnist._MD5) == 4
    for name, md5 in fashion_mnist._MD5.items():
        assert f"{name.split('-idx')[0]} {md5}" in page


def test_misspelt_arguments_name_the_right_one():
    with pytest.raises(UsageTypeError, match="did you mean 'path'"):
        load_data(paht="x")
