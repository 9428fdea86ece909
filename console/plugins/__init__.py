"""The plugins (PGI) that the configuration names: found, called, and ended."""
