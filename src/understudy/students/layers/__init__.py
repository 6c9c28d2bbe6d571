"""What students are made of."""
