"""How commands and consoles reach an engine: the wire, a client, starting one, its events as lines."""
