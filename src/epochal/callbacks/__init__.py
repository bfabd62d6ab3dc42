"""What runs beside training: stopping, saving, logging, and whatever you write yourself."""

from typing import TYPE_CHECKING

from epochal.core.first_use import at_first_use

if TYPE_CHECKING:
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

if not TYPE_CHECKING:
    __getattr__, __dir__ = at_first_use(
        __name__,
        {
            "epochal.callbacks.backup_and_restore": "BackupAndRestore",
            "epochal.callbacks.base": "Callback",
            "epochal.callbacks.base_logger": "BaseLogger",
            "epochal.callbacks.csv_logger": "CSVLogger",
            "epochal.callbacks.dispatch": "CallbackList",
            "epochal.callbacks.early_stopping": "EarlyStopping",
            "epochal.callbacks.epoch_predictions": "EpochPredictions",
            "epochal.callbacks.history": "History",
            "epochal.callbacks.lambda_callback": "LambdaCallback",
            "epochal.callbacks.learning_rate_scheduler": "LearningRateScheduler",
            "epochal.callbacks.model_checkpoint": "ModelCheckpoint",
            "epochal.callbacks.monitor": "MonitorCallback",
            "epochal.callbacks.progbar_logger": "ProgbarLogger",
            "epochal.callbacks.reduce_lr_on_plateau": "ReduceLROnPlateau",
            "epochal.callbacks.remote_monitor": "RemoteMonitor",
            "epochal.callbacks.swap_ema_weights": "SwapEMAWeights",
            "epochal.callbacks.tensorboard": "TensorBoard",
            "epochal.callbacks.terminate_on_nan": "NonFiniteLossError TerminateOnNaN",
            "epochal.callbacks.timer": "Timer",
            "epochal.callbacks.webhook": "Webhook",
        },
    )
