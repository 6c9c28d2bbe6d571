"""From text to words, pieces and ids, and which texts share a batch."""
