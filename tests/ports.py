"""Ports for the daemons of tests."""

from __future__ import annotations

import random
import socket
from contextlib import ExitStack, suppress
from pathlib import Path

_DICE = random.SystemRandom()


def free_ports(count: int) -> list[int]:
    """Ports that nobody has; where the system leaves some, none that an outgoing connection could be given."""
    given_out = int(Path("/proc/sys/net/ipv4/ip_local_port_range").read_text().split()[0])
    found: list[int] = []
    with ExitStack() as held:
        while len(found) < count:
            port = _DICE.randrange(max(1024, given_out // 2), max(2048, given_out))
            with suppress(OSError):
                held.enter_context(socket.socket()).bind(("127.0.0.1", port))
                found.append(port)
    return found


def listening(port: int) -> bool:
    """A daemon answers. A probe that the kernel gave this very port as its own is connected with itself: no answer."""
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0 and probe.getsockname() != probe.getpeername()
