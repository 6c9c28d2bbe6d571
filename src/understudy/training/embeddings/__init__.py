"""Where a word table starts."""
