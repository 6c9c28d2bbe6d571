"""Losses, and the one training loop, shared by teachers, students and language models."""
