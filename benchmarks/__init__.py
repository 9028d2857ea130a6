"""How fast the gateway is, and how much memory it takes. `make bench` runs all of it; nothing here can fail
for being slow. BENCH_SCALE=0.01 makes everything a hundredth as large, to try a change of a benchmark.
"""
