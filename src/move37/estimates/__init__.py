"""Estimators: pure functions of numpy arrays, with numpy, scipy, `types` and `errors` alone."""
