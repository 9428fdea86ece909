"""A real Slurm for tests: controller, one node with eight pretended slots, munge, all on loopback in one directory."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from pathlib import Path

from engine.processes import start_of
from tests.ports import free_ports

NEEDED = ("slurmctld", "slurmd", "munged", "sbatch")
_PATH = f"{os.environ.get('PATH', '')}:/usr/sbin:/usr/local/sbin"
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
KillWait=5
MinJobAge=3600
MaxJobCount=20000
NodeName=n1 NodeAddr=127.0.0.1 NodeHostname={host} CPUs=8 RealMemory={memory} State=UNKNOWN
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
        memory = max(1024, os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") // 2**20 - 1024)
        controller, node = free_ports(2)
        self.conf.write_text(
            _CONFIG.format(host=self.host, place=self.place, controller=controller, node=node, memory=memory)
        )

    @staticmethod
    def installed() -> bool:
        """Is everything there, and may we start it?"""
        return os.geteuid() == 0 and all(shutil.which(name, path=_PATH) for name in NEEDED)

    def start(self) -> None:
        """Start all three and wait until the node is idle."""
        munge = self.place / "munge"
        self.run(
            "munged",
            f"--key-file={munge}/key",
            f"--socket={self.place}/mrun/munge.socket",
            f"--pid-file={self.place}/mrun/munged.pid",
            f"--log-file={munge}/log",
            f"--seed-file={munge}/seed",
            "--force",
        )
        self.start_controller()
        self.run("slurmd", "-N", "n1", "-f", str(self.conf))
        self.until_node("idle")

    def start_controller(self) -> None:
        """Start the controller, again."""
        self.run("slurmctld", "-f", str(self.conf))

    def kill_controller(self) -> None:
        """As a machine dies; returns when it is gone."""
        _end(self.place / "slurmctld.pid", signal.SIGKILL)
        (self.place / "slurmctld.pid").unlink(missing_ok=True)

    def save(self, number: str) -> None:
        """Wait until all that has happened so far is in the state on disk; `number` is any job that is not over."""
        mark = f"saved-{time.monotonic_ns()}"
        state, end = self.place / "state" / "job_state", time.monotonic() + 120
        while not (state.exists() and mark.encode() in state.read_bytes()):
            assert time.monotonic() < end, f"the state was not saved: {self.logs()}"
            self.run("scontrol", "update", f"JobId={number}", f"AdminComment={mark}")  # ten changes are saved at once

    def until_node(self, *states: str) -> None:
        """Wait until the node is in one of the states."""
        end = time.monotonic() + 120
        while (seen := self.ask("sinfo", "-h", "-n", "n1", "-o", "%t").strip()) not in states:
            assert time.monotonic() < end, f"the node is {seen!r}, not {states}: {self.logs()}"
            time.sleep(0.05)

    def logs(self) -> str:
        """The last of what the daemons say."""
        return "\n".join(path.read_text("utf-8", "replace")[-1500:] for path in (self.place / "log").iterdir())

    def ask(self, *command: str) -> str:
        """The output of a command; '' when it fails."""
        done = subprocess.run(command, env=self.env, capture_output=True, text=True, check=False, timeout=120)
        return done.stdout if done.returncode == 0 else ""

    def run(self, *command: str) -> None:
        """A command that must succeed; a daemon's keeps nothing of ours open."""
        with (self.place / "log" / "start").open("ab") as log:
            subprocess.run(command, env=self.env, stdout=log, stderr=log, check=True, timeout=120)

    @property
    def env(self) -> dict[str, str]:
        """The environment its commands need."""
        return {"PATH": _PATH, "SLURM_CONF": str(self.conf)}

    def stop(self) -> None:
        """End jobs and daemons, and take the directory away."""
        self.ask("scancel", "-u", "root")
        for name in ("slurmctld.pid", "slurmd.pid", "mrun/munged.pid"):
            _end(self.place / name, signal.SIGKILL if name == "slurmd.pid" else signal.SIGTERM)
        shutil.rmtree(self.place, ignore_errors=True)


def _end(pid_file: Path, number: signal.Signals) -> None:
    try:
        pid = int(pid_file.read_text())
        os.kill(pid, number)
    except (OSError, ValueError):
        return
    end = time.monotonic() + 10
    while start_of(pid):  # nobody may ever reap it
        if time.monotonic() > end:
            os.kill(pid, signal.SIGKILL)
            end += 60
        time.sleep(0.02)
