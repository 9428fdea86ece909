"""What became of a job: its exit record first, HTCondor's word second, and patience where they do not agree yet.

Pure. HTCondor tells of an end before a shared directory shows the record, and a wrapper that was told to end
writes its record before HTCondor says why.
"""

from __future__ import annotations

from dataclasses import replace

from engine.process.executors.htcondor_ads import Seen
from engine.process.executors.protocol import JobRef, JobState, Status
from engine.process.executors.records import Ended
from engine.process.executors.wrapper import CLAIMED

_ENDS = "is coming to its end"
_KILLED = -9


def with_record(ref: JobRef, ended: Ended, seen: Seen | None, *, queued: bool) -> JobState:
    """The state of a job that has left its exit record. `queued`: HTCondor has it in the queue still."""
    state = ended.state(ref)
    if not ended.told or seen is None:
        used_up = ended.rc == _KILLED and seen is not None and 0 < seen.memory_mb <= ended.max_rss_mb
        return replace(state, memory_killed=True, reason="it used more memory than it asked for") if used_up else state
    if queued and seen.status is not Status.HELD:
        return JobState(ref, Status.RUNNING, _ENDS, None, ended.host)  # why it was ended is said when it is out
    if queued:
        return _held_at_work(ref, seen)
    if seen.exit_code is None:  # ended by HTCondor, which knows why
        return replace(state, status=seen.status, reason=seen.reason, memory_killed=seen.memory_killed)
    return state


def without_record(ref: JobRef, seen: Seen | None, *, queued: bool, begun: bool, patient: bool) -> JobState:
    """The state of a job that has left no exit record. `begun`: its wrapper was there; `patient`: one may yet come."""
    if seen is None:
        known = ref.native_id or begun
        return _doubt(ref, "HTCondor knows nothing of it, and it left no exit record", patient=patient and bool(known))
    if queued and seen.status is Status.HELD and begun:
        return _at_end(ref) if patient else _held_at_work(ref, seen)
    if queued and seen.status is Status.RUNNING and not begun:
        return JobState(ref, Status.PENDING, f"is about to begin on {seen.host}", None, seen.host)
    if queued and not seen.status.ended:
        return JobState(ref, seen.status, seen.reason, None, seen.host)
    if seen.exit_code is None and not queued:
        return JobState(ref, seen.status, seen.reason, None, seen.host, seen.memory_killed, seen.max_rss_mb)
    if patient:
        return _at_end(ref)
    if seen.exit_code in (None, 0, CLAIMED):
        return _doubt(ref, f"HTCondor says {seen.status.value}, but it left no exit record", patient=False)
    return JobState(ref, seen.status, f"exit code {seen.exit_code} and no exit record", seen.exit_code, seen.host)


def doubtful(seen: Seen | None, *, queued: bool, begun: bool) -> bool:
    """True when a job without an exit record should have one by now, or soon."""
    return not queued or seen is None or seen.status.ended or (seen.status is Status.HELD and begun)


def _held_at_work(ref: JobRef, seen: Seen) -> JobState:
    if seen.memory_killed:
        why = f"it used more memory than it asked for: {seen.reason}"
        return JobState(ref, Status.FAILED, why, None, seen.host, memory_killed=True, max_rss_mb=seen.max_rss_mb)
    why = f"held while it ran, what it had done is lost: {seen.reason}"
    return JobState(ref, Status.REMOVED, why, None, seen.host, max_rss_mb=seen.max_rss_mb)


def _at_end(ref: JobRef) -> JobState:
    return JobState(ref, Status.RUNNING, _ENDS)


def _doubt(ref: JobRef, why: str, *, patient: bool) -> JobState:
    return _at_end(ref) if patient else JobState(ref, Status.LOST, why)
