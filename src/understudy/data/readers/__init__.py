"""File formats: each file reads one and knows nothing of columns' meaning."""
