"""Where recipes run, and what a batch system is asked for."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, field_validator

from config.htcondor import HTCondorPool
from config.section import Section

_OURS = (
    "--array",
    "--chdir",
    "--comment",
    "--dependency",
    "--export",
    "--hold",
    "--job-name",
    "--output",
    "--parsable",
    "--requeue",
    "--wait",
    "--wrap",
    *("-D", "-H", "-J", "-W", "-a", "-d", "-o"),
)


class Batch(Section):
    """The batch system of this account."""

    executor: Literal["local", "htcondor", "slurm"] = Field(
        "local", description="where recipes run: on this host, or as jobs of HTCondor or Slurm"
    )
    mode: Literal["attached", "detached"] = Field(
        "attached",
        description="attached: the console gives a job away when its inputs are there; "
        "detached: the whole cascade at once, which goes on without the console",
    )
    options: tuple[str, ...] = Field(
        (), description="further options of sbatch, one per entry, e.g. --partition=long, --account=qc"
    )
    memory_mb: int = Field(
        0, ge=0, description="what a job of a kind without memory_gb asks for; 0: the site's default"
    )
    cpus: int = Field(1, ge=1, description="processors per job")
    poll_s: float = Field(2.0, gt=0, description="seconds between two looks at the queue, whatever the number of jobs")
    command_s: float = Field(5.0, gt=0, description="seconds a command of the batch system may take")
    python: str = Field("", description="Python 3.11 on the hosts that run jobs; '' for the one that runs this")
    htcondor: HTCondorPool = Field(HTCondorPool(), description="the pool, where jobs are HTCondor's")

    @field_validator("options")
    @classmethod
    def _no_option_of_ours(cls, options: tuple[str, ...]) -> tuple[str, ...]:
        for option in options:
            if not option.startswith("-"):
                raise ValueError(f"'{option}' is no option; write --name=value as one entry")
            if option.startswith(_OURS):
                raise ValueError(f"'{option}' is set by the console itself")
        return options
