"""How long a write takes and how it ends, faults included.

Rules of this file: decides at the moment a write is accepted, or when a test strikes an instance;
the estate then carries it out.
"""

import math

from attrs import evolve

from di_async.emulator.cloud.faults import OUTCOME_KINDS, Fault

from .context import BASE, ProviderContext
from .records import Action, Ending, Instance, Write

_OPERATIONS: dict[Action, str] = {
    "create": f"POST {BASE}",
    "update": f"PATCH {BASE}/{{id}}",
    "delete": f"DELETE {BASE}/{{id}}",
}


def begin_write(
    context: ProviderContext, action: Action, now: float, instance: Instance, ends: Ending
) -> Write:
    """A write accepted now: it takes what its law draws, and ends well unless a fault strikes."""
    lifecycle = context.settings.lifecycle
    lasts = context.simulation.draw(getattr(lifecycle, action))
    provisions_at = now + lifecycle.new_share * lasts
    write = Write(action, now, now + lasts, ends, provisions_at=provisions_at)
    kinds = (*OUTCOME_KINDS, "no_capacity") if action == "create" else OUTCOME_KINDS
    fault = context.faults.take(
        kinds, now, _OPERATIONS[action], id=instance.id, region=instance.region
    )
    return _bent(write, fault) if fault else write


def inject_outcome_fault(context: ProviderContext, fault: Fault, now: float) -> None:
    """Let an outcome fault strike an instance at once; ValueError if nothing can be struck."""
    instance = context.store.instances.get(fault.id or "")
    if instance is None:
        raise ValueError(f"no instance {fault.id!r} to strike")
    if fault.kind == "stuck" and not instance.in_flight:
        raise ValueError(f"nothing is under way on {fault.id!r} that could get stuck")
    fault.hits = 1
    if instance.in_flight:
        context.store.reschedule(instance, _bent(instance.change, fault))
    else:
        context.store.regress(instance, now + (fault.seconds or 0.0))
        context.store.advance(now)


def _bent(write: Write, fault: Fault) -> Write:
    match fault.kind:
        case "stuck":
            return evolve(write, settles_at=math.inf)
        case "regress":
            return evolve(write, regress_after=fault.seconds or 0.0)
        case _:
            return evolve(write, ends="error")
