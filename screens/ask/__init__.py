"""Questions of the engine, and one line to type."""
