"""Speed and memory of the whole system on one machine; `python -m bench`, see docs/benchmarks.md."""
