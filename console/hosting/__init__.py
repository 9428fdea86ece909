"""The engine of an account as a process: its queue, its socket, who answers its questions, what consoles may order."""
