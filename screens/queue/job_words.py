"""Jobs and orders in words: what is in one, and what running it, taking it out or taking it back means."""

from __future__ import annotations

from engine.core.sizes import counted, size_text
from screens.glyphs import duration
from screens.queue.queued import AtWork, Job, JobCall, JobFile, Ordered
from screens.widgets.orders import Order, Sure


def file_line(file: JobFile) -> str:
    """State, tries, bytes, name, and what the last try gave."""
    tries = f"{file.tries} tries" if file.tries != 1 else "1 try"
    return (
        f"{file.state:<10} {tries:>8} {size_text(file.size):>9}  {file.name}{'  ' if file.result else ''}{file.result}"
    )


def call_line(call: JobCall) -> str:
    """What it counts as, tool and AB, its state and why."""
    why = f": {call.why}" if call.why else ""
    return f"{call.count:<8} {call.tool:<10} {call.ab}  {call.state}{why}"


def states_words(job: Job) -> str:
    """`1 failed, 3 ingested`; what a job file's ABs are, what a job's files are."""
    return ", ".join(f"{count} {state.lower()}" for state, count in job.states) or (
        "no calls" if job.name else "not begun"
    )


def ended_words(row: Ordered) -> str:
    """How far an order is, or how it ended, in a few words."""
    if row.state == "parked":
        numbers = ", ".join(question.partition(":")[0] for question in row.questions)
        return f"parked, {(numbers and f'question {numbers}') or 'goes on soon'}"
    if row.state != "ended":
        return {"running": "runs", "queued": "waits"}.get(row.state, row.state)
    if row.code == 0:
        return "done"
    taken = "taken back" in row.text
    return f"ended {row.code}" if row.code != 130 else "taken back" if taken else "interrupted"


def order_lines(row: Ordered) -> list[str]:
    """All about an order."""
    times = [(word, at) for word, at in (("given", row.given), ("begun", row.begun), ("ended", row.ended)) if at]
    who = f" by {row.who}" if row.who else ""
    return [
        row.what,
        "",
        f"state  {ended_words(row)}{'' if row.code is None else f' (exit {row.code})'}",
        *(f"{word}  {at.replace('T', ' ')} UT{who if word == 'given' else ''}" for word, at in times),
        *(["", *row.text.splitlines()] if row.text else []),
        *(["", "it waits for:", *(f"  question {line}" for line in row.questions)] if row.questions else []),
    ]


def work_line(job: AtWork, now: float) -> str:
    """Who runs it, where, how long, what it used, why it stands there."""
    used = ""
    if job.cpu_s or job.memory:
        used = f", cpu {duration(job.cpu_s) or '0 s'}, {size_text(job.memory)} memory"
    since = f" for {duration(now - job.since)}" if job.since and now > job.since else ""
    return f"{job.ident}{f' on {job.host}' if job.host else ''}: {job.reason or job.state}{since}{used}"


def take_back_sure(row: Ordered) -> Sure:
    """Take an order back."""
    text = (f"{row.what}.", "It has not begun, nothing of it was done. It can be ordered again at any time.")
    orders: tuple[Order, ...] = (("take_back", {"number": row.number}),)
    return Sure(f"Take order {row.number} back?", text, "Take it back", "Leave it", orders)


def run_sure(job: Job) -> Sure:
    """Carry out a job."""
    if job.name:
        return _run_file(job)
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


def _run_file(job: Job) -> Sure:
    """Carry out a job file."""
    counts = dict(job.states)
    todo, failed = counts.get("TO DO", 0), counts.get("FAILED", 0)
    again = f", {counted(failed, 'failed one')} again" if failed else ""
    text = (
        f"{counted(todo, 'AB')} to do{again}; {counts.get('DONE', 0)} done already are passed over.",
        f"When it has ended, its line is taken out of {job.queue}.",
    )
    return Sure(f"Run {job.name}?", text, "Run it", "Not now", (_order("job", job),))


def remove_sure(job: Job) -> Sure:
    """Take a job out of its file."""
    if job.name:
        left = sum(count for state, count in job.states if state != "DONE")
        file = (
            f"{counted(left, 'call')} will not be carried out by {job.queue}.",
            "The job file and its ABs stay; it can be carried out at any time:",
            job.name if " " in job.name else f"dfos exec {job.name}",
        )
        return Sure("Take the job out?", file, "Take it out", "Leave it", (_order("unqueue", job),))
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
    line = {"line": job.line} if job.name else {}
    return verb, {"queue": job.queue, "mode": job.mode, "date": job.date, **line}
