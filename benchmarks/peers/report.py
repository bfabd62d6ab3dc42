"""Writes benchmarks/RESULTS.md from what `make bench` and the peers left in runs/bench.

python -m peers.report [--note TEXT ...]
"""

import argparse
import datetime
import json
import os
import platform
import statistics
from importlib import metadata
from pathlib import Path
from typing import Any

from workloads import WORKLOADS

from peers.child import WAYS

BENCHMARKS = Path(__file__).resolve().parents[1]
OUT = BENCHMARKS.parent / "runs" / "bench"
OWN = (
    "moons",
    "overhead",
    "minivgg",
    "tabular",
    "sequence",
    "startup",
    "memory",
    "jit",
    "saving",
    "resuming",
)

# Losses of the check further from the loop by hand than this are not the same training.
TOLERANCE = {"minivgg, batch 32, bfloat16": 0.05}
USUAL_TOLERANCE = 0.01

HEAD = """# Results

Ratios in one run on one machine; what they mean, and how to make them anew, is in
[README.md](README.md). Why a number is what it is: [NOTES.md](NOTES.md).
"""


def processor() -> str:
    """Return the processor's name, its cores, and what it has for bfloat16."""
    lines = Path("/proc/cpuinfo").read_text().splitlines() if os.path.exists("/proc") else []
    facts = dict(line.split(":", 1) for line in lines if ":" in line)
    named = {key.strip(): value.strip() for key, value in facts.items()}
    flags = named.get("flags", "").split()
    bits = [name for name in ("avx512f", "avx512_bf16", "amx_bf16") if name in flags]
    missing = [name for name in ("avx512_bf16", "amx_bf16") if name not in flags]
    without = f", without {', '.join(missing)}" if missing else ""
    return (
        f"{named.get('model name', platform.processor())}, {os.cpu_count()} cores, "
        f"{', '.join(bits)}{without}"
    )


def cells(row: dict[str, Any], base: dict[str, Any], units: int) -> list[str]:
    """Return time per unit; for clock and processor the ratio, its quartiles, and best rounds'."""
    said = []
    for clock in ("seconds", "processor"):
        times, others = row[clock], base[clock]
        ratios = [time / other for time, other in zip(times, others, strict=True)]
        low, ratio, high = statistics.quantiles(ratios, n=4)
        said += [f"{statistics.median(times) / units * 1e6:,.0f}", f"{ratio:.2f}"]
        said += [f"{low:.2f}-{high:.2f}", f"{min(times) / min(others):.2f}"]
    return said


def table(name: str, found: dict[str, Any]) -> str:
    """Return the table of one workload."""
    base = found["loop by hand"]
    lines = [
        f"| {name} | clock: us per {found['unit']} | ratio | quartiles | best | processor: us "
        "| ratio | quartiles | best | check |",
        "|---|---|---|---|---|---|---|---|---|---|",
    ]
    tolerance = TOLERANCE.get(name, USUAL_TOLERANCE)
    for way in WAYS:
        row = found.get(way, {"missing": "not run"})
        if "missing" in row or "error" in row or None in row.get("seconds", [None]):
            said = row.get("missing") or row.get("error") or "no times"
            lines.append(f"| {way} | - | | | | | | | | {said} |")
            continue
        apart = abs(row["loss"] / base["loss"] - 1)
        check = "ok" if apart <= tolerance else f"loss {row['loss']:.4f}, not {base['loss']:.4f}"
        said = " | ".join(cells(row, base, found["units"]))
        lines.append(f"| {way} | {said} | {check} |")
    return "\n".join(lines)


def peers_part(kept: dict[str, Any]) -> list[str]:
    """Return the tables of all libraries, by cores."""
    parts = []
    for cores in sorted(key for key in kept if key.isdigit()):
        parts.append(f"## All libraries, {cores} core{'s' if cores != '1' else ''}")
        runs = {f"- `{f.get('command')}`, commit {f.get('commit')}" for f in kept[cores].values()}
        parts.append("\n".join(sorted(runs)))
        parts += [table(name, found) for name, found in kept[cores].items()]
        absent = [name for name in WORKLOADS if name not in kept[cores]]
        parts += [f"Not run: {'; '.join(absent)}."] if absent else []
    return parts


def versions(kept: dict[str, Any]) -> list[str]:
    """Return the versions in every environment, and what could not be installed."""
    own = {name: metadata.version(name) for name in ("epochal", "torch", "numpy", "safetensors")}
    every = {"epochal, and the loops by hand": own, **kept.get("versions", {})}
    lines = [
        f"- {where}: {', '.join(f'{name} {version}' for name, version in found.items())}"
        for where, found in every.items()
    ]
    lines += [
        f"- {where}: could not be installed: {reason}"
        for where, reason in kept.get("failed", {}).items()
    ]
    return lines


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--note", nargs="*", default=[], help="what else a reader has to know")
    notes = parser.parse_args().note
    file = OUT / "peers.json"
    kept: dict[str, Any] = json.loads(file.read_text()) if file.is_file() else {}
    today = datetime.datetime.now(datetime.UTC).date()
    parts = [
        HEAD.strip(),
        "\n".join(
            [
                f"- Date: {today}",
                f"- Machine: {processor()}; Python {platform.python_version()}",
                "- Commands: `make bench`, and under each heading the one that gave its tables",
                "- GPU: not measured.",
                *(f"- {note}" for note in notes),
                *versions(kept),
            ]
        ),
    ]
    targets = BENCHMARKS / "TARGETS.md"
    if targets.is_file():
        parts.append(targets.read_text().strip())
    parts += peers_part(kept)
    parts.append("## Our own loop, by part (`make bench`)")
    for name in OWN:
        printed = OUT / f"{name}.txt"
        said = printed.read_text() if printed.is_file() else "not run\n"
        lines = "\n".join(line.rstrip() for line in said.strip("\n").splitlines())
        parts.append(f"### {name}\n\n```\n{lines}\n```")
    (BENCHMARKS / "RESULTS.md").write_text("\n\n".join(parts) + "\n")


if __name__ == "__main__":
    main()
