"""What screens and commands are shown: read from the account and its journal, never changed."""
