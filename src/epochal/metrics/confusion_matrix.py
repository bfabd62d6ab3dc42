"""The whole confusion matrix, to read, print and plot."""

from collections.abc import Sequence
from typing import Any, Literal, Never

from torch import Tensor
from typing_extensions import override

from epochal.core.errors import UsageError, reject_unknown, unknown_name
from epochal.metrics.confusion import ratio
from epochal.metrics.pairs import PairMetric

__all__ = ["ConfusionMatrix"]

_NORMALIZE = ("true", "pred", "all")


class ConfusionMatrix(PairMetric, coalesce=True):
    r"""How often each true class (row) was predicted as each class (column).

    `print(metric)` shows it as a table, `plot()` as a picture. It is logged as a list of rows, so
    keep it out of what a callback writes as one number.

    Args:
        num_classes: Number of classes; by default as many as the output has columns (2 for one).
        normalize: None for counts; `"true"` for shares of each row, `"pred"` of each column,
            `"all"` of everything.
        class_names: What the classes are called, in order.
        threshold: Above it a single output is class 1, from 0 to 1.
        name: Name it is logged under.
        dtype: Type of its weights.

    Raises:
        UsageError: If `normalize` has another name, or the names are not as many as the classes.

    Example:
        >>> matrix = ConfusionMatrix(class_names=["cat", "dog"])
        >>> matrix([0, 0, 1, 1], [0.2, 0.7, 0.8, 0.9]).tolist()
        [[1.0, 1.0], [0.0, 2.0]]
        >>> print(matrix)
        true \ predicted  cat  dog
                     cat    1    1
                     dog    0    2
    """

    def __init__(
        self,
        num_classes: int | None = None,
        normalize: Literal["true", "pred", "all"] | None = None,
        class_names: Sequence[str] | None = None,
        threshold: float = 0.5,
        name: str = "confusion_matrix",
        dtype: Any = None,
        **unknown: Never,
    ) -> None:
        reject_unknown(ConfusionMatrix.__init__, unknown)
        super().__init__(num_classes, threshold, name, dtype)
        if normalize not in (None, *_NORMALIZE):
            wrong = unknown_name("normalize", str(normalize), _NORMALIZE)
            raise UsageError(f"ConfusionMatrix: {wrong}")
        self.normalize = normalize
        self.class_names = None if class_names is None else [str(each) for each in class_names]
        if num_classes is not None:
            self._check_names(num_classes)

    @override
    def update_state(self, y_true: Any, y_pred: Any, sample_weight: Any = None) -> None:
        super().update_state(y_true, y_pred, sample_weight)
        self._check_names(len(self.matrix))

    @override
    def result(self) -> Tensor:
        """Return the matrix, (classes, classes); 0 while nothing tells how many there are."""
        matrix = self.matrix.value
        if self.normalize is None or not matrix.ndim:
            return matrix
        if self.normalize == "all":
            return ratio(matrix, matrix.sum())
        return ratio(matrix, matrix.sum(1 if self.normalize == "true" else 0, keepdim=True))

    def plot(self, ax: Any = None) -> Any:
        """Draw the matrix with its numbers.

        Args:
            ax: Axes of matplotlib to draw on; new ones by default.

        Returns:
            The axes; save them with `.figure.savefig("matrix.png")`.

        Raises:
            ImportError: If matplotlib is not installed.
            UsageError: If nothing has been taken in.
        """
        try:
            from matplotlib.figure import Figure
        except ImportError as error:
            raise ImportError(
                "ConfusionMatrix.plot needs matplotlib; install it with: "
                "pip install 'epochal[plot]'"
            ) from error
        names, rows = self._table()
        if not names:
            raise UsageError("ConfusionMatrix.plot: nothing has been taken in yet")
        # A figure of its own, not pyplot's: nothing stays open, and no display is needed.
        ax = Figure(layout="constrained").add_subplot() if ax is None else ax
        values = self.result().tolist()
        ax.imshow(values, cmap="Blues", vmin=0)
        ax.set_xticks(range(len(names)), names)
        ax.set_yticks(range(len(names)), names)
        ax.set_xlabel("predicted")
        ax.set_ylabel("true")
        dark = max(map(max, values)) / 2
        for row, texts in enumerate(rows):
            for column, text in enumerate(texts):
                color = "white" if values[row][column] > dark else "black"
                ax.text(column, row, text, ha="center", va="center", color=color)
        return ax

    def __str__(self) -> str:
        names, rows = self._table()
        if not names:
            return f"{self!r} (nothing taken in yet)"
        corner = "true \\ predicted"
        first = max(len(corner), *map(len, names))
        width = max(len(text) for text in (*names, *(text for row in rows for text in row)))
        lines = [
            "  ".join([head.rjust(first), *(text.rjust(width) for text in texts)])
            for head, texts in zip((corner, *names), (names, *rows), strict=True)
        ]
        return "\n".join(lines)

    def __rich__(self) -> Any:
        from rich.table import Table

        names, rows = self._table()
        table = Table("true \\ predicted", title=self.name)
        for name in names:
            table.add_column(name, justify="right")
        for name, texts in zip(names, rows, strict=True):
            table.add_row(name, *texts)
        return table

    def _table(self) -> tuple[list[str], list[list[str]]]:
        """Return the names of the classes and the numbers as text; waits for the device."""
        result = self.result()
        if not result.ndim:
            return [], []
        form = ".3f" if self.normalize else ".10g"
        rows = [[format(value, form) for value in row] for row in result.tolist()]
        return self.class_names or [str(number) for number in range(len(rows))], rows

    def _check_names(self, classes: int) -> None:
        if self.class_names is not None and len(self.class_names) != classes:
            raise UsageError(
                f"{self.name}: there are {classes} classes, but {len(self.class_names)} class_names"
            )
