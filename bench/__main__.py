"""`python -m bench`."""

from .cli import main

main(prog_name="python -m bench")
