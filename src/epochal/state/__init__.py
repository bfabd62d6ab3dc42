"""What a run is, so that it can be saved between two steps and go on bit for bit."""

from epochal.state.packing import pack, unpack
from epochal.state.run import Position, Run

__all__ = ["Position", "Run", "pack", "unpack"]
