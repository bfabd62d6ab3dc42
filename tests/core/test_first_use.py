"""Packages import what is used of them, and say the same to Python as to type checkers."""

import ast
import importlib
import json
import subprocess
import sys
from pathlib import Path

import pytest

import epochal

_ROOT = Path(epochal.__file__).parent
_LAZY = sorted(
    ".".join(("epochal", *file.relative_to(_ROOT).parts[:-1]))
    for file in _ROOT.rglob("__init__.py")
    if "at_first_use(" in file.read_text()
)

_SCRIPT = """
import json, sys
import torch
import epochal
from epochal.callbacks import EarlyStopping, ModelCheckpoint
model = epochal.Model(torch.nn.Linear(1, 1))
model.compile("adam", "mse", metrics=["mae"])
model.fit([[0.0], [1.0]], [[0.0], [1.0]], epochs=2, verbose=0, callbacks=EarlyStopping("loss"))
print(json.dumps(sorted(sys.modules)))
"""


def test_the_packages_with_many_names_import_them_at_first_use() -> None:
    assert {"epochal", "epochal.callbacks", "epochal.layers", "epochal.metrics"} <= set(_LAZY)


@pytest.mark.parametrize("package", _LAZY)
def test_a_type_checker_reads_the_same_homes_as_python_does(package: str) -> None:
    module = importlib.import_module(package)
    tree = ast.parse(Path(str(module.__file__)).read_text())
    checked = next(one for one in tree.body if isinstance(one, ast.If))
    told: dict[str, str] = {}
    for line in checked.body:
        assert isinstance(line, ast.ImportFrom)
        told |= {alias.name: str(line.module) for alias in line.names}
    assert set(told) == set(module.__all__)
    for name, home in told.items():
        seen = getattr(module, name)
        beside = importlib.import_module(home)
        assert seen is getattr(beside, name), name
    assert set(module.__all__) <= set(dir(module))


@pytest.mark.parametrize("package", _LAZY)
def test_a_misspelt_name_is_no_attribute(package: str) -> None:
    module = importlib.import_module(package)
    with pytest.raises(AttributeError, match=f"module '{package}' has no attribute 'Modle'"):
        _ = module.Modle
    with pytest.raises(ImportError, match="cannot import name 'Modle'"):
        exec(f"from {package} import Modle")


def test_a_fit_without_a_bar_imports_neither_files_nor_screens_nor_other_layers() -> None:
    done = subprocess.run(
        [sys.executable, "-c", _SCRIPT], capture_output=True, text=True, check=True
    )
    imported = set(json.loads(done.stdout))
    unwanted = {
        *("h5py", "rich", "safetensors", "starlette", "matplotlib", "tensorboard"),
        *("epochal.cli", "epochal.remote", "epochal.datasets", "epochal.utils"),
        *("epochal.models.formats.table", "epochal.storage.archives", "epochal.storage.hdf5"),
        *("epochal.callbacks.tensorboard", "epochal.callbacks.backup_and_restore"),
        *("epochal.layers.builtin", "epochal.layers.attention", "epochal.stopping.outcomes"),
    }
    assert sorted(unwanted & imported) == []
    assert {"epochal.models.model", "epochal.metrics.regression", "epochal.losses"} <= imported
