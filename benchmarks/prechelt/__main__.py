"""The command; kept apart because the processes it starts import what they run."""

from prechelt.run import main

if __name__ == "__main__":
    main()
