"""`python -m amaze_proxy.cli`."""

from amaze_proxy.cli import main

main(prog_name="amaze")
