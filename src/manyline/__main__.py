"""`python -m manyline`: the same as the console script."""

from manyline.entry.cli.main import app

if __name__ == "__main__":
    app(prog_name="manyline")
