"""Settings that leave nothing open, for tests of other things: one loss, no made pool, random starts."""

PLAIN_KEYS = {
    "loss.name": "mse",
    "make_pool": "none",
    "table": "float32",
    "training.embeddings": "random",
    "training.gold_pass": False,
}
"""By the keys of a recipe."""

PLAIN = {key.replace(".", "__"): value for key, value in PLAIN_KEYS.items()}
"""As `understudy.distill` takes them."""

PLAIN_OPTIONS = [part for key, value in PLAIN_KEYS.items() for part in ("--set", f"{key}={value}")]
"""As the command line takes them."""
