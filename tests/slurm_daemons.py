"""A real Slurm for tests: controller, one node with eight pretended slots, munge, all on loopback in one directory."""

from __future__ import annotations

import os
import re
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import psutil

from tests.ports import held_port, number

NEEDED = ("slurmctld", "slurmd", "munged", "munge", "sbatch")
_LIMIT_S = 180.0  # many times what anything takes: only what never comes lasts longer
_PATH = f"{os.environ.get('PATH', '')}:/usr/sbin:/usr/local/sbin"
_NOT_READY = re.compile(r"(dr|down|unk|fail|err|inval|maint|$)|.*\*$")  # the star: it does not answer
_CONFIG = """\
ClusterName=ci
SlurmctldHost={host}(127.0.0.1)
SlurmUser=root
SlurmdUser=root
AuthType=auth/munge
AuthInfo=socket={place}/mrun/munge.socket
CredType=cred/munge
MpiDefault=none
SwitchType=switch/none
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
JobAcctGatherType=jobacct_gather/linux
JobAcctGatherFrequency=task=1
JobAcctGatherParams=OverMemoryKill
SelectType=select/cons_tres
SelectTypeParameters=CR_CPU_Memory
SchedulerType=sched/backfill
SchedulerParameters=bf_interval=1,batch_sched_delay=0,sched_min_interval=10000,sched_interval=1
AccountingStorageType=accounting_storage/none
JobCompType=jobcomp/none
StateSaveLocation={place}/state
SlurmdSpoolDir={place}/spool
SlurmctldPidFile={place}/slurmctld.pid
SlurmdPidFile={place}/slurmd.pid
SlurmctldLogFile={place}/log/slurmctld.log
SlurmdLogFile={place}/log/slurmd.log
SlurmctldPort={controller}
SlurmdPort={node}
SlurmdParameters=config_overrides
ReturnToService=2
InactiveLimit=0
# a machine that is busy is not one that is broken
MessageTimeout=60
TCPTimeout=60
BatchStartTimeout=60
UnkillableStepTimeout=600
KillWait=30
MinJobAge=86400
MaxJobCount=20000
NodeName=n1 NodeAddr=127.0.0.1 NodeHostname={host} CPUs=8 RealMemory=16000 State=UNKNOWN
PartitionName=main Nodes=ALL Default=YES DefMemPerCPU=64 MaxTime=INFINITE State=UP
"""


class SlurmDaemons:
    """Start, kill and restart; `conf` is what SLURM_CONF must name. Runs as root only, like slurmctld itself."""

    def __init__(self) -> None:
        self.place = Path(tempfile.mkdtemp(prefix="slurm"))
        self.place.chmod(0o755)
        self.conf = self.place / "slurm.conf"
        self.host = socket.gethostname().partition(".")[0]
        for name in ("state", "spool", "log", "mrun"):
            (self.place / name).mkdir(mode=0o755)
        (self.place / "munge").mkdir(mode=0o700)
        (self.place / "munge" / "key").write_bytes(os.urandom(1024))
        (self.place / "munge" / "key").chmod(0o600)
        self._held = controller, node = held_port(), held_port()
        self._running: dict[str, subprocess.Popen[bytes]] = {}
        self.conf.write_text(
            _CONFIG.format(host=self.host, place=self.place, controller=number(controller), node=number(node))
        )

    @staticmethod
    def installed() -> bool:
        """Is everything there, and may we start it?"""
        return os.geteuid() == 0 and all(shutil.which(name, path=_PATH) for name in NEEDED)

    def start(self) -> None:
        """Start all three and wait until the node is idle."""
        munge, socket_ = self.place / "munge", f"--socket={self.place}/mrun/munge.socket"
        files = (f"--key-file={munge}/key", f"--log-file={munge}/log", f"--seed-file={munge}/seed")
        self._begin("munged", "--foreground", "--force", socket_, f"--pid-file={self.place}/mrun/munged.pid", *files)
        self._until(lambda: self.attempt("munge", "--no-input", socket_), "munged does not answer")
        self.start_controller()
        self._begin("slurmd", "-D", "-N", "n1", "-f", str(self.conf))
        self.until_ready()

    def start_controller(self) -> None:
        """Start the controller, again; it answers when this returns."""
        self._begin("slurmctld", "-D", "-f", str(self.conf))
        self._until(lambda: self.attempt("sinfo", "-h"), "the controller does not answer")

    def clean(self) -> None:
        """As at the beginning, whatever was left: no jobs, and the node takes new ones."""
        if "slurmctld" not in self._running:
            self.start_controller()
        self.ask("scancel", "--me")
        self._until(lambda: not self.ask("squeue", "-h"), "jobs do not end")
        if self.node().startswith("dr"):
            self.ask("scontrol", "update", "nodename=n1", "state=resume")
        self.until_ready()

    def kill_controller(self) -> None:
        """As a machine dies; returns when it is gone. A node that was resumed is not drained again afterwards."""
        self._save("node_state", "nodename=n1", "Comment")
        self._kill("slurmctld")

    def crash(self) -> None:
        """All daemons and what they started are killed, as a machine dies; only the wrappers of jobs are not."""
        for name in list(self._running):
            self._kill(name)
        while left := [pid for pid in psutil.pids() if self._has_ours(pid)]:
            for pid in left:  # steps of jobs outlive slurmd: they have its log open
                with suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
            time.sleep(0.01)

    def begin_anew(self) -> None:
        """Start all after a crash in which what was known of jobs was lost."""
        for name in ("state", "spool"):
            shutil.rmtree(self.place / name)
            (self.place / name).mkdir(mode=0o755)
        self.start()

    def save(self, number: str) -> None:
        """Wait until all that has happened to jobs is in the state on disk; `number` is any job that is not over."""
        self._save("job_state", f"JobId={number}", "AdminComment")

    def node(self) -> str:
        """The state of the node: idle, mix, drng, drain ..."""
        return self.ask("sinfo", "-h", "-n", "n1", "-o", "%t").strip()

    def until_drained(self) -> None:
        """Wait until the node takes no jobs and has none."""
        self._until(lambda: self.node() == "drain", "the node is not drained")

    def until_ready(self) -> None:
        """Wait until the node takes jobs: whether it has some, or Slurm has plans with it, does not matter."""
        self._until(lambda: not _NOT_READY.match(self.node()), "the node takes no jobs")

    def logs(self) -> str:
        """The last of what the daemons say."""
        return "\n".join(path.read_text("utf-8", "replace")[-1500:] for path in (self.place / "log").iterdir())

    def ask(self, *command: str) -> str:
        """The output of a command, asked again until there is an answer."""
        end = time.monotonic() + _LIMIT_S
        while (said := self.attempt(*command)) is None:
            assert time.monotonic() < end, f"no answer to {' '.join(command)}: {self.logs()}"
            time.sleep(0.05)
        return said

    def run(self, *command: str) -> None:
        """A command that must succeed."""
        done = self._called(*command)
        assert done.returncode == 0, f"{' '.join(command)}: {done.stderr}{self.logs()}"

    def attempt(self, *command: str) -> str | None:
        """The output of a command; None when it fails."""
        done = self._called(*command)
        return None if done.returncode else done.stdout

    @property
    def env(self) -> dict[str, str]:
        """The environment its commands need."""
        return {"PATH": _PATH, "SLURM_CONF": str(self.conf)}

    def stop(self) -> None:
        """End jobs and daemons, and take the directory away."""
        if "slurmctld" in self._running and self.attempt("scancel", "--me") is not None:
            self._until(lambda: not self.attempt("squeue", "-h"), "jobs do not end")
        self.crash()
        for held in self._held:
            held.close()
        shutil.rmtree(self.place, ignore_errors=True)

    def _save(self, file: str, what: str, note: str) -> None:
        """Wait until a file of the state on disk, which is written every few seconds, has all that happened so far."""
        mark = f"saved-{time.monotonic_ns()}"
        self.ask("scontrol", "update", what, f"{note}={mark}")

        def saved() -> bool:
            with suppress(FileNotFoundError):  # just now a new one takes the place of the old one
                return mark.encode() in (self.place / "state" / file).read_bytes()
            return False

        self._until(saved, "the state was not saved")

    def _called(self, *command: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            command, env=self.env, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False
        )

    def _begin(self, *command: str) -> None:
        """Start a daemon, in the foreground: a child of ours, so that its number is nobody else's."""
        with (self.place / "log" / "start").open("ab") as log:
            self._running[command[0]] = subprocess.Popen(
                command, env=self.env, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True
            )

    def _kill(self, name: str) -> None:
        if daemon := self._running.pop(name, None):
            with suppress(ProcessLookupError):
                os.killpg(daemon.pid, signal.SIGKILL)
            daemon.wait()

    def _has_ours(self, pid: int) -> bool:
        with suppress(OSError):
            return pid != os.getpid() and any(
                str(path.readlink()).startswith(f"{self.place}/") for path in Path(f"/proc/{pid}/fd").iterdir()
            )
        return False

    def _until(self, condition: Callable[[], object], trouble: str) -> None:
        end = time.monotonic() + _LIMIT_S
        while not condition():
            dead = [name for name, daemon in self._running.items() if daemon.poll() is not None]
            words = f"{trouble} (ended: {dead})"
            assert not dead and time.monotonic() < end, f"{words}: {self.attempt('sinfo')}{self.logs()}"
            time.sleep(0.02)
