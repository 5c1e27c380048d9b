"""The status words, as functions of a deployment and the time.

Rules of this file: pure. v3 has six words and no error among them; v2 documents four more.
"""

from .records import Deployment

# The last part of a v2 delete is told as DELETED before the GET is 404.
_DELETED_SHARE = 0.1


def word(it: Deployment, now: float) -> str:
    """The status word."""
    return _under_way(it, now) if it.in_flight else _at_rest(it, now)


def _under_way(it: Deployment, now: float) -> str:
    write = it.change
    match write.action:
        case "delete":
            lasts = write.settles_at - write.accepted_at
            over = now >= write.settles_at - _DELETED_SHARE * lasts
            return "DELETED" if it.generation == 2 and over else "DELETING"
        case "stop":
            return _at_rest(it, now)
        case "update" if it.stopped:
            return "DISABLED"
        case "create" if it.generation == 2 and now < write.task_ends_at:
            return "NEW"
    return "DEPLOYING" if now < write.containers_at else "PARTIALLYDEPLOYED"


def _at_rest(it: Deployment, now: float) -> str:
    if it.failed and it.generation == 3:
        return "PARTIALLYDEPLOYED"
    if it.failed:
        return "ERROR" if it.change.outcome == "failed" else "FAILED"
    if it.stopped:
        return "DISABLED"
    return "PENDING" if it.may_sleep and now >= it.awake_until else "ACTIVE"


def story(it: Deployment, now: float) -> str | None:
    """Why its containers do not come up; it may get over it."""
    write = it.change
    if it.in_flight and write.story and write.containers_at <= now < write.story_until:
        return write.story
    return it.failed or None


def replicas(it: Deployment, at: int, now: float) -> tuple[int, int]:
    """How many replicas of its container number `at` are ready, and how many there are."""
    least: int = it.spec["containers"][at]["scale"]["min"]
    match word(it, now):
        case "DISABLED" | "PENDING" | "DELETED":
            return 0, 0
        case "ACTIVE":
            return max(1, least), max(1, least)
        case "DELETING" if not it.failed and it.has_run and not it.stopped:
            return max(1, least), max(1, least)
    return 0, max(1, least)
