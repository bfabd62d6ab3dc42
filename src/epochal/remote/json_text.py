"""JSON that every parser reads, whatever is in the logs."""

import json
import math
from collections.abc import Mapping
from typing import Any

__all__ = ["to_json"]


def to_json(payload: Mapping[str, Any]) -> str:
    """Return a mapping as valid JSON.

    JSON has no NaN and no infinity. They become `null`, so that a column of numbers stays one and
    a chart shows a gap, and `not_finite` says which they were, so that a dashboard can raise an
    alarm. Arrays and tensors become numbers or lists of them; what JSON has no form for becomes
    its text.

    Example:
        >>> to_json({"loss": float("nan"), "f1": np.array([0.5, -np.inf])})
        '{"loss": null, "f1": [0.5, null], "not_finite": {"loss": "NaN", "f1[1]": "-Infinity"}}'
    """
    not_finite: dict[str, str] = {}
    plain = {str(name): _plain(value, str(name), not_finite) for name, value in payload.items()}
    if not_finite:
        plain.setdefault("not_finite", not_finite)
    return json.dumps(plain, allow_nan=False)


def _plain(value: Any, path: str, not_finite: dict[str, str]) -> Any:
    """Return what stands for `value` in JSON, noting under its path a number that is not finite."""
    if value is None or isinstance(value, (bool, int, str)):
        return value
    if isinstance(value, float):
        if math.isfinite(value):
            return float(value)  # a NumPy float64 is a float, and its text is not a number's
        not_finite[path] = "NaN" if math.isnan(value) else f"{'-' if value < 0 else ''}Infinity"
        return None
    if isinstance(value, Mapping):
        return {str(k): _plain(item, f"{path}.{k}", not_finite) for k, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(item, f"{path}[{i}]", not_finite) for i, item in enumerate(value)]
    if hasattr(value, "tolist"):  # an array, a tensor, or a scalar of theirs
        return _plain(value.tolist(), path, not_finite)
    return str(value)
