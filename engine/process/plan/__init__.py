"""Before the start: which ABs there are, what each takes, in which order they should run, and what fits."""
