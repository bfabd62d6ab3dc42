"""Proofs that a user can run on their own disk: `python -m epochal selftest`."""
