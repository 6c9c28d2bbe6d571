"""Train students and baselines on a transfer set. Never sees test data."""
