"""What runs beside training: stopping, saving, logging, and whatever you write yourself."""

from epochal.callbacks.base import Callback
from epochal.callbacks.csv_logger import CSVLogger
from epochal.callbacks.dispatch import CallbackList
from epochal.callbacks.early_stopping import EarlyStopping
from epochal.callbacks.history import History
from epochal.callbacks.lambda_callback import LambdaCallback
from epochal.callbacks.model_checkpoint import ModelCheckpoint
from epochal.callbacks.monitor import MonitorCallback
from epochal.callbacks.progbar_logger import ProgbarLogger

__all__ = [
    "Callback",
    "CallbackList",
    "CSVLogger",
    "EarlyStopping",
    "History",
    "LambdaCallback",
    "ModelCheckpoint",
    "MonitorCallback",
    "ProgbarLogger",
]
