"""`python -m epochal ...`: what is done from a shell. Empty until its first command is written."""
