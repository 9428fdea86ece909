"""A real HTCondor pool for tests: one machine, eight slots, all its daemons in a mount namespace of their own.

Its mounts exist only there and end with its last process; the tree it runs in (`condor_root`) is read-only, so
that pools never meet. A directory given as `shared` is seen under the same path inside, to be written, and what
this very program needs, to be read.
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import psutil

from tests.condor_root import UID
from tests.ports import held_port, number

_LIMIT_S = 180.0  # many times what anything takes: only what never comes lasts longer
# The master dies with the thread that starts it, so start it in the main one; its daemons die with the master.
_APART = ("setpriv", "--pdeathsig", "KILL", "unshare", "--mount", "sh", "-euc")
# /run is empty in a plain tree. Where /run/condor is not HTCondor's own before it starts, its master
# starts condor_procd again and again, a thousand processes in a minute.
_BEGIN = """
root=$1 state=$2 shared=$3
shift 3
own="etc/condor/config.d var/log/condor var/lib/condor var/spool/condor"
places() {
    mkdir -p "$root$shared"
    for path; do
        if [ -d "$path" ]; then mkdir -p "$root$path"; else mkdir -p "$root${path%/*}"; touch "$root$path"; fi
    done
}
places "$@"
for part in $own; do mkdir -p "$root/$part" "$state/$part"; done
mount --bind "$root" "$root"
mount -o remount,bind,ro "$root"
mount -t proc proc "$root/proc"
for part in run tmp root; do mount -t tmpfs -o mode=0755 tmpfs "$root/$part"; done
chmod 1777 "$root/tmp"
for part in $own; do mount --bind "$state/$part" "$root/$part"; done
places "$@"
mount --bind "$shared" "$root$shared"
for path; do mount --bind -o ro "$path" "$root$path"; done
chroot "$root" install -d -o condor -g condor /run/condor /run/lock/condor /var/log/condor \
    /var/lib/condor/spool /var/lib/condor/execute /var/spool/condor
exec chroot "$root" condor_master -f
"""
# The three last lines: in a chroot, which is no place where a file system is mounted, the starter cannot
# take a job's mounts apart from ours and would hold every job (code 6, errno 22).
_CONFIG = """
use ROLE: Personal
use FEATURE: PartitionableSlot
CONDOR_HOST = 127.0.0.1
NETWORK_INTERFACE = 127.0.0.1
BIND_ALL_INTERFACES = False
ENABLE_IPV6 = False
COLLECTOR_HOST = {pool}
USE_SHARED_PORT = True
SHARED_PORT_PORT = {port}
# a test bed on loopback: anyone may claim to be anyone
SEC_DEFAULT_AUTHENTICATION_METHODS = FS, CLAIMTOBE
ALLOW_ADMINISTRATOR = *@*
ALLOW_READ = *
ALLOW_WRITE = *
ALLOW_DAEMON = *
ALLOW_NEGOTIATOR = *
NEGOTIATOR_INTERVAL = 1
NEGOTIATOR_CYCLE_DELAY = 1
NEGOTIATOR_MIN_INTERVAL = 1
SCHEDD_INTERVAL = 1
SCHEDD_MIN_INTERVAL = 1
UPDATE_INTERVAL = 5
DAGMAN_USER_LOG_SCAN_INTERVAL = 1
DAGMAN_SUBMIT_DELAY = 0
# the tests' directories are in /tmp, which it would not have
DAGMAN_USE_STRICT = 0
MASTER_BACKOFF_CONSTANT = 3
PERIODIC_EXPR_INTERVAL = 1
STARTER_UPDATE_INTERVAL = 1
STARTER_INITIAL_UPDATE_INTERVAL = 1
PID_SNAPSHOT_INTERVAL = 1
POLLING_INTERVAL = 1
START = True
SUSPEND = False
PREEMPT = False
KILL = False
use POLICY: HOLD_IF_MEMORY_EXCEEDED
NUM_CPUS = 8
MEMORY = 16000
BASE_CGROUP =
PER_JOB_NAMESPACES = False
MOUNT_UNDER_SCRATCH =
"""


class Pool:
    """A running pool. `address` is its collector; `client` is how a program outside speaks to it as user ops."""

    def __init__(self, root: Path, state: Path, shared: Path) -> None:
        self.shared = shared
        self.state = state
        self._held = held_port()
        port = number(self._held)
        self.address = f"127.0.0.1:{port}"
        self.client = {
            "COLLECTOR_HOST": self.address,
            "SEC_DEFAULT_AUTHENTICATION_METHODS": "CLAIMTOBE",
            "SEC_CLIENT_AUTHENTICATION_METHODS": "CLAIMTOBE",
            "SEC_CLAIMTOBE_USER": "ops",
            "ENABLE_IPV6": "False",
        }
        config = state / "etc/condor/config.d"
        config.mkdir(parents=True)
        (config / "99-tests.config").write_text(_CONFIG.format(pool=self.address, port=port))
        shared.chmod(0o777)
        self._said = (state / "master.log").open("wb")
        self._master = subprocess.Popen(
            [*_APART, _BEGIN, "pool", str(root), str(state), str(shared), *_installation(root)],
            stdin=subprocess.DEVNULL,
            stdout=self._said,
            stderr=subprocess.STDOUT,
        )
        self._space = ""
        try:
            self._await()
        except BaseException:
            self.stop()
            raise

    def daemon(self, name: str) -> psutil.Process:
        """One of its daemons, e.g. `condor_schedd`; it may just be beginning."""
        end = time.monotonic() + _LIMIT_S
        while time.monotonic() < end:
            with contextlib.suppress(psutil.NoSuchProcess):  # some process of the pool has just ended
                for process in psutil.Process(self._master.pid).children(recursive=True):
                    if process.name() == name and process.status() != psutil.STATUS_ZOMBIE:
                        return process
            time.sleep(0.02)
        raise AssertionError(f"no {name} comes")

    @contextlib.contextmanager
    def without(self, name: str) -> Iterator[None]:
        """One of its daemons killed; the master, who starts it again, stands still meanwhile."""
        daemon = self.daemon(name)
        self._master.send_signal(signal.SIGSTOP)
        try:
            daemon.kill()
            yield
        finally:
            self._master.send_signal(signal.SIGCONT)

    def ask(self, *argv: str) -> str:
        """What a program inside says, called again until it ends well."""
        end = time.monotonic() + _LIMIT_S
        while (done := self.run(*argv)).returncode:
            assert time.monotonic() < end, f"{' '.join(argv)}: {done.stderr}"
            time.sleep(0.1)
        return done.stdout

    def run(self, *argv: str, cwd: Path | str = "/") -> subprocess.CompletedProcess[str]:
        """Call a program inside as user ops."""
        enter = ["nsenter", "--target", str(self._master.pid), "--mount", "--root", f"--wdns={cwd}"]
        return subprocess.run(
            [*enter, "-S", str(UID), "-G", str(UID), *argv],
            capture_output=True,
            text=True,
            check=False,
            env={"PATH": "/usr/sbin:/usr/bin:/sbin:/bin"},
        )

    def clean(self) -> None:
        """Take away all jobs that were left."""
        end = time.monotonic() + _LIMIT_S
        while left := self.ask("condor_q", "-af", "ClusterId").split():
            assert time.monotonic() < end, f"jobs {left} do not end"
            self.run("condor_rm", *left)
            time.sleep(0.1)

    def stop(self) -> None:
        """End everything that runs inside; the mounts go with it."""
        self._master.kill()
        self._master.wait()
        while self._space and (left := [pid for pid in psutil.pids() if _space(pid) == self._space]):
            for pid in left:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
            time.sleep(0.01)
        self._said.close()
        self._held.close()

    def _await(self) -> None:
        until = time.monotonic() + _LIMIT_S
        for kind in ("-schedd", "-startd"):
            while not self.run("condor_status", kind, "-af", "Name").stdout.strip():
                if self._master.poll() is not None or time.monotonic() > until:
                    raise RuntimeError(f"HTCondor did not start: {(self.state / 'master.log').read_text()[-2000:]}")
                self._space = self._space or _space(self._master.pid)
                time.sleep(0.1)


def _space(pid: int) -> str:
    """The mount namespace of a process that is apart from ours; '' for others, and for those that are gone."""
    with contextlib.suppress(OSError):
        found = str(Path(f"/proc/{pid}/ns/mnt").readlink())
        return found if found != str(Path("/proc/self/ns/mnt").readlink()) else ""
    return ""


def _installation(root: Path) -> list[str]:
    """This repository and the Python that runs it, where the tree has nothing of that name."""
    stdlib, python = Path(os.__file__).parent, Path(sys.executable).resolve()
    wanted = {Path(__file__).resolve().parents[1], Path(sys.prefix), stdlib, python}
    wanted |= {Path(sys.base_prefix)} - {Path("/usr")}
    outermost = {path for path in wanted if wanted.isdisjoint(path.parents)}
    return sorted(str(path) for path in outermost if path.name not in ("usr", "bin", "lib"))
