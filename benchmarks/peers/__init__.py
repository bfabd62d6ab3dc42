"""The libraries that the bench compares with, each in a process and an environment of its own."""
