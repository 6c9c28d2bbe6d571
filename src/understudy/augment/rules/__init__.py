"""Steps that make texts by rules: no model, seeded."""
