"""Makes an environment of its own for each library that the bench compares with."""

import json
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
HOME = ROOT / ".venv-peers"

TORCH = "torch==2.13.0"
KERAS = "keras==3.15.1"

# What each environment holds; a peer names the one it runs in.
REQUIREMENTS = {
    "keras-torch": (KERAS, TORCH),
    "keras-jax": (KERAS, "jax"),
    "keras-tensorflow": (KERAS, "tensorflow-cpu"),
    "lightning": ("lightning", TORCH, "numpy"),
    "skorch": ("skorch", TORCH),
    "ignite": ("pytorch-ignite", TORCH, "numpy"),
    "huggingface": ("accelerate", "transformers", TORCH, "numpy"),
}


def python_of(name: str) -> Path:
    """Return the interpreter of an environment."""
    return HOME / name / "bin" / "python"


def install(name: str) -> str | None:
    """Make one environment unless it is there; return why it could not be made, or None.

    What could not be installed is a row of the report, so nothing is raised.
    """
    wanted = json.dumps(REQUIREMENTS[name])
    note = HOME / name / "installed.json"
    if note.is_file() and note.read_text() == wanted:
        return None
    commands = (
        [sys.executable, "-m", "venv", "--clear", str(HOME / name)],
        [str(python_of(name)), "-m", "pip", "install", "--quiet", *REQUIREMENTS[name]],
    )
    for command in commands:
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode:
            said = (done.stderr or done.stdout).strip().splitlines()
            return said[-1] if said else f"exit status {done.returncode}"
    note.write_text(wanted)
    return None


def versions(name: str) -> dict[str, str]:
    """Return the versions of what was asked for in an environment."""
    listed = subprocess.run(
        [str(python_of(name)), "-m", "pip", "list", "--format", "json"],
        capture_output=True,
        text=True,
        check=True,
    )
    names = {wanted.split("==")[0] for wanted in REQUIREMENTS[name]}
    # pip names some packages with an underscore that are asked for with a hyphen.
    found = {p["name"].replace("_", "-"): p["version"] for p in json.loads(listed.stdout)}
    return {package: found[package] for package in sorted(names) if package in found}


def install_all(names: Sequence[str] = tuple(REQUIREMENTS)) -> dict[str, str]:
    """Make environments; return what could not be made and why."""
    failed = {}
    for name in names:
        print(f"environment {name}", file=sys.stderr, flush=True)
        reason = install(name)
        if reason is not None:
            print(f"  not installed: {reason}", file=sys.stderr, flush=True)
            failed[name] = reason
    return failed


if __name__ == "__main__":
    install_all()
