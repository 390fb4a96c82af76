"""Benchmarks turn rows of a published data set into Problems. The contract is in tests/test_benchmarks.py."""

from move37.shelf import Shelf

BENCHMARKS = Shelf("benchmark", {}, extras={})
