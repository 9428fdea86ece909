"""HTCondor's words and ours: the description of a job that is submitted, and what the ad of a job says of its state.

Pure: no bindings here, so that every line of the state table can be tried (distributed-engines section 5).
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from engine.errors import UsageTrouble
from engine.process.executors.protocol import JobSpec, Status

TOKEN = "DfosToken"  # noqa: S105 - the attribute that marks a job as ours
DAG = "DfosDag"  # the attribute of DAGMan's own job: the directory of its DAG
WANTED = (
    *("ClusterId", "ProcId", "JobStatus", "LastJobStatus", TOKEN, DAG),
    *("HoldReason", "HoldReasonCode", "HoldReasonSubCode", "RemoveReason", "LastRejMatchReason"),
    *("ExitCode", "ExitBySignal", "ExitSignal"),
    *("RemoteHost", "LastRemoteHost", "RequestMemory", "ResidentSetSize_RAW"),
)

_IDLE, _RUNNING, _REMOVED, _COMPLETED, _HELD, _OUTPUT, _SUSPENDED = range(1, 8)
_SUBMITTED_HELD = 15
# By the starter; by the startd's ready-made policy. Sites with policies of their own say it in words.
_OUT_OF_MEMORY, _BY_POLICY, _MEMORY_POLICY = 34, 21, 102
_MEMORY_WORDS = re.compile(r"memory\b.*\bexceed|exceed.*\bmemory\b|more memory than|out of memory", re.IGNORECASE)
# A job put back into the queue after it had begun (evicted, or held by somebody) has lost its work; a
# second start is a second attempt, which is ours to decide. The one condition keeps it from starting
# at once, the other takes it out of the queue.
_FIRST_START = "NumJobStarts == 0"
_PUT_BACK = "JobStatus == 1 && NumJobStarts > 0"
_TOO_LONG = "time() - JobCurrentStartExecutingDate - (CumulativeSuspensionTime ?: 0) > "
_MOST_NAMED = 500


@dataclass(frozen=True, slots=True)
class Site:
    """How jobs are described here: `python` runs the wrapper, `requirements` choose hosts, `lines` are added."""

    python: str
    requirements: str = ""
    lines: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Seen:
    """A job as HTCondor tells it. `leaves`: it is still in the queue, but on its way out; memory in MB."""

    token: str
    native_id: str
    status: Status
    reason: str = ""
    exit_code: int | None = None
    host: str = ""
    dag: str = ""
    leaves: bool = False
    memory_killed: bool = False
    memory_mb: int = 0
    max_rss_mb: int = 0


def description(job: JobSpec, argv: Sequence[str], output: str, site: Site) -> dict[str, str]:
    """The submit description of one job that runs `argv` (its wrapper), whose own words go to `output`.

    UsageTrouble for values that HTCondor's language cannot carry, and for lines of the site that are ours to say.
    """
    resources = job.resources
    lines = {
        "universe": "vanilla",
        "executable": value(argv[0]),
        "My.Arguments": arguments(argv[1:]),
        "transfer_executable": "false",
        "should_transfer_files": "NO",
        "initialdir": value(str(job.cwd)),
        "output": value(output),
        "error": value(output),
        "batch_name": value(job.name or job.token),
        f"My.{TOKEN}": value(quoted(job.token)),
        "request_cpus": str(resources.cpus),
        "requirements": f"({site.requirements}) && {_FIRST_START}" if site.requirements else _FIRST_START,
        "periodic_remove": _PUT_BACK,
        "hold": str(job.held).lower(),
        "notification": "never",
    }
    if resources.memory_mb:
        lines["request_memory"] = f"{resources.memory_mb}M"
    if resources.walltime_s:
        lines["periodic_remove"] += f" || JobStatus == 2 && {_TOO_LONG}{resources.walltime_s}"
    taken = {key.lower() for key in lines} | {"queue", "arguments"}
    for key, said in site.lines.items():
        if key.lower() in taken or not (key.isascii() and key.isprintable() and said.isprintable()) or "=" in key:
            raise UsageTrouble(
                f"the line {key!a} cannot be added to a job", remedy="take it out of batch.htcondor.submit"
            )
    return {"request_disk": "1M", **site.lines, **lines}  # products go to a shared directory, not to the slot's disk


def seen(ad: Mapping[str, Any]) -> Seen:
    """What the ad of a job in the queue or in the history says."""
    status, reason, code = _status(ad)
    return Seen(
        token=str(ad.get(TOKEN, "")),
        native_id=f"{ad.get('ClusterId', 0)}.{ad.get('ProcId', 0)}",
        status=status,
        reason=reason,
        exit_code=code,
        host=str(ad.get("RemoteHost") or ad.get("LastRemoteHost") or "").rpartition("@")[2],
        dag=str(ad.get(DAG, "")),
        memory_killed=_used_up_memory(ad),
        memory_mb=_number(ad, "RequestMemory"),
        max_rss_mb=_number(ad, "ResidentSetSize_RAW") // 1024,
    )


def any_of(tokens: Sequence[str]) -> str:
    """The condition that a job is one of these."""
    return f"stringListMember({TOKEN}, {quoted(','.join(tokens))}, {quoted(',')})"


def perhaps(tokens: Sequence[str]) -> str:
    """A condition that these jobs meet: of many, that a job is ours at all, which costs less than to compare each."""
    return any_of(tokens) if len(tokens) <= _MOST_NAMED else f"{TOKEN} isnt undefined"


def quoted(text: str) -> str:
    """A string as the ClassAd language writes it."""
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


def value(text: str) -> str:
    """A value in the submit language, which takes $ for a macro and has no sign for the end of a line."""
    if not text.isprintable():
        raise UsageTrouble(f"HTCondor cannot be told {text!a}", remedy="use names without control characters")
    return text.replace("$", "$(DOLLAR)")


def arguments(argv: Sequence[str]) -> str:
    """Arguments as the attribute of a job holds them: single quotes around each, doubled within.

    Not by the command `arguments`: DAGMan 23 then insists on an older form that has no blanks within words.
    """
    return value(quoted(" ".join("'" + word.replace("'", "''") + "'" for word in argv)))


def _status(ad: Mapping[str, Any]) -> tuple[Status, str, int | None]:
    status = _number(ad, "JobStatus")
    if status == _IDLE:
        why = _text(ad, "LastRejMatchReason")
        return Status.PENDING, f"waits for a slot ({why})" if why else "waits for a slot", None
    if status in (_RUNNING, _OUTPUT):
        return Status.RUNNING, "", None
    if status == _SUSPENDED:
        return Status.SUSPENDED, "", None
    if status == _HELD:
        at_submit = _number(ad, "HoldReasonCode") == _SUBMITTED_HELD
        return Status.HELD, "submitted held" if at_submit else _text(ad, "HoldReason") or "held", None
    if status == _REMOVED:
        return _removed(ad)
    if status == _COMPLETED:
        code = -_number(ad, "ExitSignal") if ad.get("ExitBySignal") else _number(ad, "ExitCode")
        return (Status.FAILED if code else Status.DONE), "", code
    return Status.LOST, f"HTCondor names a state {status} that nobody knows", None


def _removed(ad: Mapping[str, Any]) -> tuple[Status, str, None]:
    told = _text(ad, "RemoveReason") or "removed"
    if _used_up_memory(ad):
        return Status.FAILED, told, None
    if _TOO_LONG in told and ad.get("LastJobStatus") == _RUNNING:
        return Status.FAILED, "it took longer than it was allowed to", None
    if _PUT_BACK in told:
        told = "HTCondor put it back into the queue after it had begun: what it had done is lost"
    return Status.REMOVED, told, None


def _used_up_memory(ad: Mapping[str, Any]) -> bool:
    status = _number(ad, "JobStatus")
    if status == _REMOVED:
        return bool(_MEMORY_WORDS.search(_text(ad, "RemoveReason")))
    code = _number(ad, "HoldReasonCode")
    policy = code == _BY_POLICY and _number(ad, "HoldReasonSubCode") == _MEMORY_POLICY
    named = code == _OUT_OF_MEMORY or policy
    return status == _HELD and (named or bool(_MEMORY_WORDS.search(_text(ad, "HoldReason"))))


def _text(ad: Mapping[str, Any], name: str) -> str:
    """What anybody may have written, fit to be shown."""
    return "".join(letter if letter.isprintable() else " " for letter in str(ad.get(name) or ""))[:500].strip()


def _number(ad: Mapping[str, Any], name: str) -> int:
    found = ad.get(name)
    return found if isinstance(found, int) else 0
