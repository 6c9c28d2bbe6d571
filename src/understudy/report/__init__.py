"""Tables, pictures and the model card, made from the numbers on disk. Nothing here trains or measures."""
