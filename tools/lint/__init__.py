"""Rules that no ready-made linter knows; `python -m tools.lint` runs them all."""
