"""One stage of a run a file, named like the verb that runs it."""
