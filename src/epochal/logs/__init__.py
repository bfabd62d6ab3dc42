"""What a run tells: values kept on the device, and computed when somebody reads them."""

from epochal.logs.logs import Logs
from epochal.logs.names import Direction, LogNames
from epochal.logs.returned import Returned
from epochal.logs.scoreboard import Moment, Scoreboard, Scored

__all__ = ["Direction", "LogNames", "Logs", "Moment", "Returned", "Scored", "Scoreboard"]
