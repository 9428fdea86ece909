"""Jobs that wait, orders of the engine, and what is at work."""
