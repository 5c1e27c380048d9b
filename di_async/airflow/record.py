"""What a task keeps in its task state store, so that another try of it can go on. Pure.

Before a create is sent, its name, the digest of its spec and the time are stored. So a try that
finds them without a resume token knows that a create may have been sent, and since when. A try
whose arguments have another digest does not go on with it.
"""

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Literal

from attrs import asdict, fields, frozen

from di_async.core.errors import InvalidInputError

__all__ = ["RECORD_KEY", "Record", "State"]

RECORD_KEY = "di_async"
State = Literal["sending", "accepted", "failed"]
_STATES = ("sending", "accepted", "failed")


@frozen(kw_only=True)
class Record:
    """A write of one task, or of one item of a task that makes many."""

    state: State
    """sending: it may have been sent. accepted: `resume_token` continues. failed: proven."""
    name: str = ""
    digest: str = ""
    """Of the write and its arguments; another one is not continued."""
    first_attempt_at: str = ""
    """ISO 8601, with a time zone."""
    id: str = ""
    resume_token: str = ""
    token_written: bool = False
    """The one-time token is in its Variable."""
    adopted: bool = False

    @property
    def first_attempt(self) -> datetime | None:
        """When the write was sent for the first time."""
        return datetime.fromisoformat(self.first_attempt_at) if self.first_attempt_at else None

    def to_json(self) -> dict[str, Any]:
        """Return it as the state store keeps it."""
        return {"v": 1, **asdict(self)}

    @classmethod
    def from_json(cls, stored: Any) -> "Record | None":
        """Return the record that `to_json` wrote; None for None.

        Raises:
            InvalidInputError: something else is stored.
        """
        if stored is None:
            return None
        known = {one.name for one in fields(cls)}
        if not isinstance(stored, Mapping) or stored.get("state") not in _STATES:
            raise InvalidInputError(
                f"the task state store holds something else than a record under {RECORD_KEY!r}; "
                "delete this key to start over"
            )
        return cls(**{key: value for key, value in stored.items() if key in known})
