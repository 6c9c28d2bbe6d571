"""Steps that remove texts."""
