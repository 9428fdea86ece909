"""The run of a pool: streams, the gate, what is at work, what was found again, and why the others wait."""
