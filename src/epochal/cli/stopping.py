"""`python -m epochal stopping train_log.csv`: what criteria would have done, and which to take."""

import argparse
from typing import TYPE_CHECKING

from rich.console import Console

from epochal.logs import LogNames
from epochal.stopping import paper_criteria, read_log, replay

if TYPE_CHECKING:
    Commands = argparse._SubParsersAction[argparse.ArgumentParser]

__all__ = ["add_to", "run"]


def add_to(commands: "Commands") -> None:
    """Add the command to a parser."""
    parser = commands.add_parser(
        "stopping",
        help="say what early stopping would have done on a recorded curve",
        description="Say what the criteria of Prechelt's paper would have done on the curve in a "
        "file of CSVLogger, ours or Keras', and which of them to take.",
    )
    parser.add_argument("file", help="the CSV file")
    parser.add_argument("--monitor", default="val_loss", help="column of validation values")
    parser.add_argument("--training", help="column of training values")
    parser.add_argument("--test", help="column of test values")
    parser.add_argument("--mode", default="auto", choices=("auto", "min", "max"))
    parser.add_argument("--separator", help="what stands between two fields; seen in the header")
    parser.add_argument("--strip", type=int, default=5, help="epochs of a strip (default: 5)")
    parser.add_argument(
        "--goal",
        default="quality",
        choices=("quality", "chance"),
        help="the best average run, or the chance of a good one among several",
    )
    parser.add_argument("--plot", metavar="FILE", help="save a picture of the curve and the stops")
    parser.set_defaults(run=run)


def run(given: argparse.Namespace) -> None:
    """Print the table and the recommendation, and save the picture."""
    columns = read_log(given.file, given.separator)
    mode = given.mode if given.mode != "auto" else LogNames({}).direction(given.monitor) or "auto"
    training = given.training or given.monitor.removeprefix("val_")
    criteria = [
        criterion
        for criterion in paper_criteria(given.strip)
        if training in columns or "training" not in criterion.needs
    ]
    result = replay(
        columns,
        criteria,
        monitor=given.monitor,
        training=given.training,
        test=given.test,
        mode=mode,
    )
    console = Console(soft_wrap=True)
    console.print(result.table())
    console.print(str(result.recommend(given.goal)), markup=False, highlight=False)
    if given.plot:
        result.plot(given.plot)
        console.print(f"saved {given.plot}", markup=False, highlight=False)
