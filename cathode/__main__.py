"""`python -m cathode`."""

from cathode.cli import main

if __name__ == "__main__":
    main()
