"""Removing checkpoints: only this run's, only what they are made of, and never by half."""

from collections.abc import Callable
from pathlib import Path

from epochal.storage.checkpoint_files import MANIFEST, STATE, TENSORS, aside_name, name_of
from epochal.storage.disk import disk

__all__ = ["Remover"]


class Remover:
    """Removes from a folder; what fails harms nothing, and is told and not raised.

    Args:
        folder: The folder of checkpoints.
        run_id: Their run.
        problems: Where to write what could not be done, a sentence each.
    """

    def __init__(self, folder: Path, run_id: str, problems: list[str]) -> None:
        self._folder = folder
        self._run_id = run_id
        self._problems = problems

    def checkpoints(self, sequences: list[int]) -> list[int]:
        """Remove checkpoints whose manifests say that they are this run's.

        Returns:
            Those that are no longer there.
        """
        gone: list[int] = []
        asides: list[Path] = []
        for sequence in sequences:
            folder = self._folder / name_of(sequence)
            aside = self._folder / aside_name(sequence, self._run_id, "removed")
            try:
                strangers = sorted(set(disk().names(folder)) - {MANIFEST, TENSORS, STATE})
                if strangers:
                    self._problems.append(f"{folder} stays: {', '.join(strangers)} is not ours")
                    continue
                # Out of sight in one step: a folder without one of its files must never bear the
                # name of a checkpoint.
                disk().rename(folder, aside)
                asides.append(aside)
            except FileNotFoundError:
                pass  # somebody has removed it
            except OSError as error:
                self._problems.append(f"cannot remove {folder}: {error.strerror or error}")
                continue
            gone.append(sequence)
        if asides and self.attempt("sync", self._folder, disk().sync_folder):
            for aside in asides:
                self.leftover(aside)
        return gone

    def leftover(self, aside: Path) -> None:
        """Remove a folder that is no checkpoint. What fails is tried again at the next start."""
        for name in (TENSORS, STATE, MANIFEST):
            self.attempt("remove", aside / name, disk().unlink)
        self.attempt("remove", aside, disk().rmdir)

    def attempt(self, verb: str, path: Path, act: Callable[[Path], None]) -> bool:
        """Do something to a path; return whether it is done, or the path was not there."""
        try:
            act(path)
        except FileNotFoundError:
            return True
        except OSError as error:
            self._problems.append(f"cannot {verb} {path}: {error.strerror or error}")
            return False
        return True
