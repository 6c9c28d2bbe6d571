"""Load, fine-tune and run anything that gives logits. Knows no student, and writes to no logit store."""
