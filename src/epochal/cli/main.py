"""The commands, and how an error of use ends one."""

import argparse
import sys
from collections.abc import Sequence

from epochal.cli import convert, inspect, stopping
from epochal.cli.selftest import command as selftest
from epochal.core.errors import EpochalError, printable

__all__ = ["main"]


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command.

    Args:
        arguments: What follows `python -m epochal`; None for those of the process.

    Returns:
        The exit status: 0, or 2 if the command was used wrongly or the machine could not do it.

    Example:
        >>> main(["stopping", "no-such-file.csv"])
        2
    """
    parser = argparse.ArgumentParser(prog="python -m epochal", description="Tools around training.")
    commands = parser.add_subparsers(required=True, metavar="command")
    convert.add_to(commands)
    inspect.add_to(commands)
    selftest.add_to(commands)
    stopping.add_to(commands)
    given = parser.parse_args(arguments)
    try:
        given.run(given)
    except EpochalError as error:
        # A traceback would hide the one line that says what to do. What a file says may be in it,
        # so nothing that commands a terminal gets through.
        lines = f"{parser.prog}: {error}".split("\n")
        print("\n".join(printable(line, limit=10_000) for line in lines), file=sys.stderr)
        return 2
    return 0
