"""Recipe, run and its teacher; `stages` are named like the verbs."""
