"""The web monitor. Empty until it is written; it never imports torch."""
