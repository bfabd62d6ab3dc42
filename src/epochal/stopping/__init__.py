"""Criteria for early stopping from the literature. Empty until they are written."""
