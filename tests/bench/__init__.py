"""The benchmark, `make bench`: what the site costs beside the bare engine. docs/benchmarks.md explains it."""
