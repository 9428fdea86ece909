"""A PostgreSQL server of our own, on a Unix socket in a directory of its own; Debian's server, an unprivileged user."""

from __future__ import annotations

import os
import pwd
import shutil
import subprocess
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

OWNER = "postgres"
PASSWORD = "s3cret-of-the-tests"  # noqa: S105 - of a server that lives as long as a test


def programs() -> Path | None:
    """Where initdb and pg_ctl are; None where they are not installed."""
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/pg_ctl"))
    return found[-1].parent if found else None


class Server:
    """A server that can be stopped and started."""

    def __init__(self, place: Path) -> None:
        self.place, self._data = place, place / "data"

    def start(self) -> None:
        """Start it and wait until it takes connections."""
        options = f"-k {self.place} -c listen_addresses='' -c fsync=off -c max_connections=20"
        self._call(
            "pg_ctl", "-D", str(self._data), "-w", "-t", "150", "-l", str(self.place / "log"), "-o", options, "start"
        )

    def stop(self) -> None:
        """Stop it at once."""
        self._call("pg_ctl", "-D", str(self._data), "-w", "-t", "150", "-m", "immediate", "stop")

    def create(self) -> None:
        """Make the cluster: everybody needs the password."""
        secret = self.place / "password"
        secret.write_text(PASSWORD + "\n")
        _own(secret)
        self._call(
            "initdb", "-D", str(self._data), "-U", "qc", "-A", "scram-sha-256", "--pwfile", str(secret), "-E", "UTF8"
        )

    def url(self, database: str = "postgres") -> str:
        """Without the password."""
        return f"postgresql://qc@/{database}?host={self.place}"

    def _call(self, program: str, *words: str) -> None:
        bin_ = programs()
        assert bin_ is not None
        done = subprocess.run(
            [*_as_owner(), str(bin_ / program), *words], capture_output=True, text=True, cwd=self.place, timeout=180
        )
        assert done.returncode == 0, done.stderr + done.stdout


@contextmanager
def running() -> Iterator[Server]:
    """A server with an empty database."""
    place = Path(tempfile.mkdtemp(prefix="pg"))  # short: a socket's path may not be long
    _own(place)
    server = Server(place)
    try:
        server.create()
        server.start()
        try:
            yield server
        finally:
            server.stop()
    finally:
        shutil.rmtree(place, ignore_errors=True)


def _as_owner() -> Sequence[str]:
    return ("runuser", "-u", OWNER, "--") if os.getuid() == 0 else ()


def _own(path: Path) -> None:
    if os.getuid() == 0:
        user = pwd.getpwnam(OWNER)
        os.chown(path, user.pw_uid, user.pw_gid)
        path.chmod(0o755 if path.is_dir() else 0o600)
