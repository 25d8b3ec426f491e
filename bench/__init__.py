"""The benchmarks: each row a share of a floor in the same run. See README.md beside this."""
