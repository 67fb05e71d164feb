"""What it costs, measured: `python -m benchmarks [N=1000000]` (DESIGN: What it must cost)."""
