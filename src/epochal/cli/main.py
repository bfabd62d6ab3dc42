"""The commands, and how an error of use ends one."""

import argparse
import sys
from collections.abc import Sequence

from epochal.cli import stopping
from epochal.core.errors import UsageError

__all__ = ["main"]


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command.

    Args:
        arguments: What follows `python -m epochal`; None for those of the process.

    Returns:
        The exit status: 0, or 2 if the command was used wrongly.

    Example:
        >>> main(["stopping", "no-such-file.csv"])
        2
    """
    parser = argparse.ArgumentParser(prog="python -m epochal", description="Tools around training.")
    commands = parser.add_subparsers(required=True, metavar="command")
    stopping.add_to(commands)
    given = parser.parse_args(arguments)
    try:
        given.run(given)
    except UsageError as error:
        # A traceback would hide the one line that says what to do.
        print(f"{parser.prog}: {error}", file=sys.stderr)
        return 2
    return 0
