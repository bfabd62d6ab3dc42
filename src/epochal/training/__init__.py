"""How a model is trained: what a call means (`plan`), the loop (`loop`), one step (`step`)."""
