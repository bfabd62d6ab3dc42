"""What a run is, and how it is captured and restored. Empty until it is written."""
