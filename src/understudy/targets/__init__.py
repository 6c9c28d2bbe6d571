"""Soft targets on disk: the store, its shards, the loop that fills it, and what was paid for."""
