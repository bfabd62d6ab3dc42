"""What runs beside training: stopping, saving, logging, and whatever you write yourself."""

from epochal.callbacks.backup_and_restore import BackupAndRestore
from epochal.callbacks.base import Callback
from epochal.callbacks.base_logger import BaseLogger
from epochal.callbacks.csv_logger import CSVLogger
from epochal.callbacks.dispatch import CallbackList
from epochal.callbacks.early_stopping import EarlyStopping
from epochal.callbacks.epoch_predictions import EpochPredictions
from epochal.callbacks.history import History
from epochal.callbacks.lambda_callback import LambdaCallback
from epochal.callbacks.learning_rate_scheduler import LearningRateScheduler
from epochal.callbacks.model_checkpoint import ModelCheckpoint
from epochal.callbacks.monitor import MonitorCallback
from epochal.callbacks.progbar_logger import ProgbarLogger
from epochal.callbacks.reduce_lr_on_plateau import ReduceLROnPlateau
from epochal.callbacks.remote_monitor import RemoteMonitor
from epochal.callbacks.swap_ema_weights import SwapEMAWeights
from epochal.callbacks.tensorboard import TensorBoard
from epochal.callbacks.terminate_on_nan import NonFiniteLossError, TerminateOnNaN
from epochal.callbacks.timer import Timer
from epochal.callbacks.webhook import Webhook

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
    "RemoteMonitor",
    "BackupAndRestore",
    "BaseLogger",
    "EpochPredictions",
    "LearningRateScheduler",
    "ReduceLROnPlateau",
    "SwapEMAWeights",
    "NonFiniteLossError",
    "TerminateOnNaN",
    "Timer",
    "TensorBoard",
    "Webhook",
]
