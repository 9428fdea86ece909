"""Jobs in words: a file of one, and what running it or taking it out means."""

from __future__ import annotations

from engine.core.sizes import size_text
from screens.queued import Job, JobFile
from screens.widgets.orders import Order, Sure, counted


def file_line(file: JobFile) -> str:
    """State, tries, bytes, name, and what the last try gave."""
    tries = f"{file.tries} tries" if file.tries != 1 else "1 try"
    return (
        f"{file.state:<10} {tries:>8} {size_text(file.size):>9}  {file.name}{'  ' if file.result else ''}{file.result}"
    )


def run_sure(job: Job) -> Sure:
    """Carry out a job."""
    files = sum(count for _, count in job.states)
    size = f", {size_text(job.size)}" if job.size else ""
    if job.queue == "JOBS_EXPORT":
        text = (
            f"Logs and plots of {job.mode} {job.date} go to the web server.",
            "A transfer that was cut goes on where it was; the move itself is not touched.",
        )
    else:
        many = f"{counted(files, 'file')}{size}: what" if files else "What"
        text = (
            f"{many} the archive has not confirmed yet is verified and delivered.",
            "What the archive has confirmed cannot be taken back.",
        )
    return Sure(f"Run {job.line}?", text, "Run it", "Not now", (_order("job", job),))


def remove_sure(job: Job) -> Sure:
    """Take a job out of its file."""
    if job.queue == "JOBS_EXPORT":
        text: tuple[str, ...] = (f"Logs and plots of {job.mode} {job.date} stay off the web server.",)
    else:
        there = dict(job.states).get("INGESTED", 0)
        left = sum(count for _, count in job.states) - there
        what = counted(left, "product") if job.states else "Its products"
        text = (
            f"{what} of {job.mode} {job.date} stay un-ingested: they stand where they are, the archive",
            "does not get them, and cleanupProducts will not touch them.",
        )
        text += (f"{there} are in the archive already and stay there.",) if there else ()
    text += (f"It can be put back: {job.line} runs it at any time.",)
    return Sure("Take the job out?", text, "Take it out", "Leave it", (_order("unqueue", job),))


def _order(verb: str, job: Job) -> Order:
    return verb, {"queue": job.queue, "mode": job.mode, "date": job.date}
