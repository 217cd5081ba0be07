"""`python -m graphsim`, the same as the console script."""

from graphsim.cli import app

app(prog_name="graphsim")
