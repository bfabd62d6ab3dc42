"""Training on several processes. Empty until it is written."""
