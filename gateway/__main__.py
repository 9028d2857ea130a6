"""`python -m gateway`: the command, by the interpreter that runs it."""

from gateway.cli.main import main

main()
