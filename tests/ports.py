"""Ports for the daemons of tests."""

from __future__ import annotations

import socket


def held_port() -> socket.socket:
    """A port that is bound and not listened on: a daemon may listen there, with SO_REUSEADDR as all of them do.

    As long as this socket is open nobody else is given the port, also while the daemon is down: no other daemon, and
    no outgoing connection, which may even come to itself where nobody listens.
    """
    held = socket.socket()
    held.bind(("", 0))
    held.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    return held


def number(held: socket.socket) -> int:
    """The number of a port."""
    return int(held.getsockname()[1])
