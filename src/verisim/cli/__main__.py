"""`python -m verisim.cli`: the command line of this very environment."""

from verisim.cli import main

main()
