"""What is expected of each group of operations under each family of faults.

A cell holds what may come out:

ok        the right result and the right effect
error     the fault's own error (`Fault.error`)
unknown   `OutcomeUnknownError`
refused   `WaitRefusedError`
timeout   `WaitTimeoutError` after the wait's 300 s
gone      `ResourceVanishedError`
silent    a stream without an event for 300 s
-         no cell: such a response looks correct

`/` divides alternatives that depend on what the provider supports. `once`: the fault is in the
first response only. `lasting`: in all responses from then on, also those to the reads that look a
lost write up.
"""

from pathlib import Path

from tests.faults.faults import Fault
from tests.faults.operations import GROUPS, Operation

__all__ = ["FAMILIES", "TABLES", "expected", "table"]

FAMILIES = {
    "harmless": "the right response, late or in an unusual encoding",
    "clock": "the machine's clock steps",
    "not sent": "no connection: the request was never sent",
    "limited": "429, with a short waiting time, or none that can be used",
    "limited long": "429, with an absurd waiting time",
    "not answered": "no response, a 5xx, or another system's response; nothing was done",
    "lost": "carried out, and the response is lost",
    "cannot": "501 and 505 of the API",
    "empty": "200 without a body; nothing was done",
    "misshapen": "carried out, and numbers and objects in the response are text",
    "mangled": "carried out, and the body of the 200 is not the API's",
    "oversized": "carried out, and the body is larger than 64 MiB",
    "says no": "200 with an error as its body",
    "misrouted": "another resource's body, or one without an id",
    "refused": "4xx of the API",
    "conflict": "409 of the API",
    "not found": "404 or 410 of the API, of a resource that exists",
    "write not found": "404 of the API to writes only; reads show the resource",
}
_WORDS = {
    "unknown": "OutcomeUnknownError",
    "refused": "WaitRefusedError",
    "timeout": "WaitTimeoutError",
    "gone": "ResourceVanishedError",
}
Family = str


def table(text: str) -> dict[Family, dict[str, str]]:
    """Return the outcomes in a table by family and group."""
    head, *rows = (line.partition("|") for line in text.strip().splitlines())
    groups = head[2].split()
    assert groups == list(GROUPS), groups
    found = {}
    for family, _, outcomes in rows:
        words = outcomes.split()
        assert len(words) == len(groups), family
        found[family.strip()] = dict(zip(groups, words, strict=True))
    return found


TABLES = {
    mode: table((Path(__file__).parent / f"{mode}.txt").read_text()) for mode in ("once", "lasting")
}
"""Read from `once.txt` and `lasting.txt`: one row for each family, one column for each group."""


def expected(operation: Operation, fault: Fault, mode: str) -> frozenset[str]:
    """Return what may come out; nothing if there is no such cell."""
    if fault.family == "misrouted" and operation.cloud.name == "exoscale" and operation.writes:
        return frozenset()  # the answer names an operation, and the resource by an unknown id only
    cell = TABLES[mode][fault.family][operation.group]
    words = (_WORDS.get(word, word) for word in cell.split("/") if word != "-")
    return frozenset(fault.error if word == "error" else word for word in words)
