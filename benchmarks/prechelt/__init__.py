"""The experiment of Prechelt's paper on when to stop, made again."""
