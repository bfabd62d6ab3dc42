"""`make interop`: Keras opens what epochal writes and goes on with it, and the other way round.

    python tests/interop/run.py [BACKEND ...]

For each of Keras' backends (torch and jax by default) the two libraries exchange files of every
layer, every optimizer, nested and functional models, in every format; what was opened here is saved
again and opened there once more. Predictions, what the metrics of the file measure, and the weights
after five more steps of training from the state in it have to agree to 1e-5.

Keras lives in an environment of its own, `.venv-keras`, which is made if it is not there;
KERAS_PYTHON=/path/to/python takes another that has Keras 3 and the backends, and
KERAS_PYTHON_JAX=... one for jax alone.
"""

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).parents[2]
SIDE = str(Path(__file__).parent / "side.py")
TOLERANCE = 1e-5
PACKAGES = {"torch": "torch", "jax": "jax", "tensorflow": "tensorflow-cpu"}
# What Keras 3.15.1 does not read out of its own files of the older format either: axes that are
# lists come back as something else.
KNOWN = ("layer-layer_normalization_axes.h5", "layer-softmax_over_two_axes.h5")


def keras_pythons(backends):
    """Return a Python that has Keras for each backend; make an environment if need be."""
    found = {}
    for backend in backends:
        own = os.environ.get(f"KERAS_PYTHON_{backend.upper()}")
        found[backend] = own or os.environ.get("KERAS_PYTHON")
    missing = [backend for backend in backends if not found[backend]]
    return found | dict.fromkeys(missing, installed(missing) if missing else "")


def installed(backends):
    """Return the Python of our own environment, with Keras and the backends in it."""
    python = ROOT / ".venv-keras" / "bin" / "python"
    if not python.exists():
        subprocess.run([sys.executable, "-m", "venv", str(python.parents[1])], check=True)
    packages = ["keras==3.15.1", "numpy", *(PACKAGES[backend] for backend in backends)]
    subprocess.run([str(python), "-m", "pip", "install", "--quiet", *packages], check=True)
    return str(python)


def side(python, backend, *arguments):
    """Run one side; say which, and stop at the first that fails."""
    print("  ", *arguments[:2], flush=True)
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    if backend is not None:
        environment["KERAS_BACKEND"] = backend
    done = subprocess.run(
        [python, SIDE, *map(str, arguments)], env=environment, capture_output=True, text=True
    )
    if done.returncode:
        sys.exit(f"{done.stdout}\n{done.stderr}\n{arguments} failed")


def judge(report, title, keras_reads):
    """Print what a report says; return how many files disagree."""
    entries = json.loads(report.read_text())
    known = [name for name in entries if keras_reads and name in KNOWN]
    bad = {}
    for name in set(entries) - set(known):
        entry = entries[name]
        values = [entry.get(key, 0.0) for key in ("prediction", "weights", "metrics")]
        if "error" in entry or "warned" in entry or not max(values) <= TOLERANCE:
            bad[name] = entry
    good = [entry for name, entry in entries.items() if name not in (*bad, *known)]
    worst = [max((e.get(key, 0.0) for e in good), default=0.0) for key in ("prediction", "weights")]
    print(
        f"{title}: {len(good)} of {len(entries)} files agree; largest difference of predictions "
        f"{worst[0]:.1e}, of weights after five more steps {worst[1]:.1e}"
    )
    if known:
        print(f"   not counted, Keras cannot read its own: {', '.join(sorted(known))}")
    for name, entry in sorted(bad.items()):
        print(f"   {name}: {json.dumps(entry)[:300]}")
    return len(bad)


def main():
    """Exchange files with every backend that is asked for."""
    backends = sys.argv[1:] or ["torch", "jax"]
    pythons = keras_pythons(backends)
    bad = 0
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder)
        print("epochal writes", flush=True)
        side(sys.executable, None, "write", "epochal", place / "ours")
        for backend in backends:
            theirs, again = place / backend, place / f"again-{backend}"
            reports = [place / f"{backend}-{number}.json" for number in range(3)]
            python = pythons[backend]
            print(f"Keras on {backend}", flush=True)
            side(python, backend, "write", "keras", theirs)
            side(sys.executable, None, "read", "epochal", theirs, reports[0], again)
            side(python, backend, "read", "keras", place / "ours", reports[1])
            side(python, backend, "read", "keras", again, reports[2])
            bad += judge(reports[0], f"Keras ({backend}) -> epochal", False)
            bad += judge(reports[1], f"epochal -> Keras ({backend})", True)
            bad += judge(reports[2], f"Keras -> epochal -> Keras ({backend})", True)
    sys.exit(f"{bad} files disagree" if bad else 0)


if __name__ == "__main__":
    main()
