"""One side of the exchange: builds, trains, saves and opens models with one library.

    python side.py write LIBRARY FOLDER
    python side.py read  LIBRARY FOLDER REPORT

`write` leaves for each case its files, what the model predicts and its metrics measure, and its
weights after five more steps of training. `read` opens each file, compares the predictions and what
the file's metrics measure, trains the five steps from the state in it and compares the weights.
"""

import json
import os
import sys
import traceback
import warnings
from pathlib import Path

import numpy as np

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
sys.path.insert(0, str(Path(__file__).parent))

import cases

FORMATS = (".keras", ".h5", ".weights.h5")


def library_named(name):
    """Return the library as a namespace."""
    if name == "keras":
        import keras

        return keras
    import epochal
    import epochal.layers
    import epochal.metrics
    import epochal.models
    import epochal.optimizers

    return epochal


def built(library, only_sequential):
    """Yield every case: its name, how to make the model, its inputs, and whether steps agree."""
    for name in cases.LAYERS:
        make = lambda name=name: cases.layer_model(library, name)[0]  # noqa: E731
        _, x, kind = cases.layer_model(library, name)
        yield f"layer-{name}", make, [x], "slow", kind
    for name in cases.OPTIMIZERS:
        yield f"optimizer-{name}", lambda: cases.dense(library), [x3()], name, ""
    for name, (make, shape) in cases.SEQUENTIALS.items():
        x = cases.numbers(shape, 0.4)
        yield f"model-{name}", lambda make=make: make(library), [x], "slow", ""
    if not only_sequential:
        for name, (make, _) in cases.FUNCTIONALS.items():
            inputs = cases.functional_inputs(name)
            yield f"graph-{name}", lambda make=make: make(library), inputs, "slow", ""


def x3():
    """Return the inputs of the optimizers' model."""
    return cases.numbers((4, 3), 0.4)


def targets_for(outputs):
    """Return targets of the outputs' shapes."""
    return [cases.numbers(output.shape, 0.9 + i) for i, output in enumerate(outputs)]


def predicted(model, inputs):
    """Return the outputs as a list of arrays."""
    result = model.predict(inputs[0] if len(inputs) == 1 else inputs, verbose=0)
    return [np.asarray(r) for r in result] if isinstance(result, (list, tuple)) else [result]


def train(model, inputs, targets, steps):
    """Make some steps on the same batch."""
    x = inputs[0] if len(inputs) == 1 else inputs
    y = targets[0] if len(targets) == 1 else targets
    for _ in range(steps):
        model.train_on_batch(x, y)


def measured(model, inputs, targets):
    """Return what the model's metrics measure, in the order of their names."""
    values = model.evaluate(inputs[0], targets[0], return_dict=True, verbose=0)
    return [np.asarray(values[name], "float32") for name in sorted(values)]


def write(library, folder):
    """Write every case."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, make, inputs, optimizer, kind in built(library, library.__name__ == "epochal"):
        model = make()
        if kind:
            head = model.layers[-1].get_weights()
            cases.set_numbers(model, kind)
            model.layers[-1].set_weights([0.4 * cases.numbers(w.shape, 2.0) for w in head])
        else:
            cases.set_numbers(model)
        targets = targets_for(predicted(model, inputs))
        if name.startswith("optimizer-") and "sgd" not in name:
            # Where Keras and torch add epsilon differs, and tells in small gradients.
            targets = [50 * target for target in targets]
        metrics, classes = cases.MEASURED.get(name, (None, None))
        targets = targets if classes is None else [classes]
        model.compile(
            cases.optimizer(library, optimizer),
            ["mean_squared_error"] * len(targets),
            metrics=metrics and metrics(library),
        )
        steps = 0 if kind in cases.RANDOM else 3
        train(model, inputs, targets, steps)
        for ending in FORMATS:
            save = model.save_weights if ending == ".weights.h5" else model.save
            path = folder / f"{name}{ending}"
            try:
                save(str(path))
            except ValueError as error:
                # Keras cannot write its older format where two weights of a layer have one name.
                if library.__name__ != "keras" or "name already exists" not in str(error):
                    raise
                path.unlink(missing_ok=True)
                print(f"{library.__name__} cannot write {path.name}: {error}")
        outputs = predicted(model, inputs)
        measures = measured(model, inputs, targets) if metrics else []
        train(model, inputs, targets, 5 if steps else 0)
        weights = model.get_weights()
        np.savez(
            folder / f"{name}.npz",
            **{f"x{i}": x for i, x in enumerate(inputs)},
            **{f"y{i}": y for i, y in enumerate(targets)},
            **{f"p{i}": p for i, p in enumerate(outputs)},
            **{f"w{i}": w for i, w in enumerate(weights)},
            **{f"m{i}": m for i, m in enumerate(measures)},
            steps=steps,
        )


def parts(stored, letter):
    """Return the arrays `p0`, `p1`, ... of a case."""
    count = sum(key[0] == letter and key[1:].isdigit() for key in stored)
    return [stored[f"{letter}{i}"] for i in range(count)]


def difference(mine, theirs):
    """Return the largest difference of two lists of arrays."""
    if [a.shape for a in mine] != [b.shape for b in theirs]:
        return float("inf")
    return max(
        (float(np.abs(a - b).max(initial=0.0)) for a, b in zip(mine, theirs, strict=True)),
        default=0.0,
    )


def opened(library, path, original):
    """Return the model of a file; a file of weights goes into a copy of the model of the other."""
    load = library.saving.load_model if library.__name__ == "keras" else library.models.load_model
    if not path.name.endswith(".weights.h5"):
        return load(str(path))
    model = load(original)
    model.set_weights([0 * w for w in model.get_weights()])
    model.load_weights(str(path))
    return model


def read(library, folder, report, again=None):
    """Open every file and compare; `again` is where to save them once more."""
    found = {}
    if again is not None:
        again.mkdir(parents=True, exist_ok=True)
    for data in sorted(folder.glob("*.npz")):
        stored = dict(np.load(data))
        for ending in FORMATS:
            path = folder / f"{data.stem}{ending}"
            if not path.exists():
                continue
            try:
                with warnings.catch_warnings(record=True) as warned:
                    warnings.simplefilter("always")
                    model = opened(library, path, str(folder / f"{data.stem}.keras"))
                inputs = parts(stored, "x")
                entry = {"prediction": difference(predicted(model, inputs), parts(stored, "p"))}
                measures = parts(stored, "m")
                if measures and ending != ".weights.h5":
                    found_here = measured(model, inputs, parts(stored, "y"))
                    entry["metrics"] = difference(found_here, measures)
                skipped = [str(w.message) for w in warned if "optimizer" in str(w.message)]
                if skipped:
                    entry["warned"] = skipped[0][:200]
                if again is not None and ending != ".weights.h5":
                    model.save(str(again / path.name))
                    (again / data.name).write_bytes(data.read_bytes())
                # Keras 3.15.1 builds the optimizer of its older format for no weights, and then
                # refuses to train, its own files too: there only predictions are compared.
                resumes = library.__name__ == "epochal" or ending != ".h5"
                if stored["steps"] and ending != ".weights.h5" and resumes:
                    train(model, inputs, parts(stored, "y"), 5)
                    entry["weights"] = difference(model.get_weights(), parts(stored, "w"))
            except Exception as error:
                entry = {"error": f"{type(error).__name__}: {error}"[:600]}
                if os.environ.get("TRACE"):
                    traceback.print_exc()
            found[path.name] = entry
    report.write_text(json.dumps(found, indent=1))


if __name__ == "__main__":
    verb, name, folder = sys.argv[1], library_named(sys.argv[2]), Path(sys.argv[3])
    if verb == "write":
        write(name, folder)
    else:
        again = Path(sys.argv[5]) if len(sys.argv) > 5 else None
        read(name, folder, Path(sys.argv[4]), again)
