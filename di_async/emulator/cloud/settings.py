"""What a world is told once, at its making, and its providers need to know.

Rules of this file: one frozen value.
"""

from typing import Literal

from attrs import field, frozen, validators

from .durations import Lifecycle

Dialect = Literal["documented", "observed"]
Case = Literal["lower", "upper"]


@frozen
class Settings:
    """How a world answers."""

    dialect: Dialect = field(validator=validators.in_(("documented", "observed")))
    lifecycle: Lifecycle
    status_case: Case = field(validator=validators.in_(("lower", "upper")))
    active_word: str
    ca_pem: str
    dataplane_url: str | None
    scheme: Literal["https", "http"]
