"""The trainer in C."""
