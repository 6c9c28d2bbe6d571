"""Steps that run language models. Every file but this one imports torch and transformers."""
