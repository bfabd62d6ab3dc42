"""Errors per sample as pure functions of `(y_true, y_pred)`, shared by losses and metrics."""
