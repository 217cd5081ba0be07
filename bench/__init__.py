"""Speed and memory of the whole system on one machine; see docs/benchmarks.md."""
