"""How long DigitalOcean's writes take and how they end, including faults."""

import math

from attrs import evolve, frozen

from di_async.emulator.cloud.faults import OUTCOME_KINDS, Fault
from di_async.emulator.cloud.provider import ProviderContext
from di_async.emulator.cloud.store import end_of_failing

from .shapes import Shapes
from .store import Instance, Store, Write

BASE = "/v2/dedicated-inferences"
_OPERATIONS = {
    "create": f"POST {BASE}",
    "update": f"PATCH {BASE}/{{id}}",
    "delete": f"DELETE {BASE}/{{id}}",
}


@frozen
class Context(ProviderContext[Store]):
    """What DigitalOcean's handlers share, and how their writes end."""

    shapes: Shapes
    default_vpc: str

    def begin_write(self, action: str, now: float, instance: Instance, ends: str) -> Write:
        """Return a write accepted now; it ends as given unless a fault applies."""
        return self.with_fault(instance, self.planned_write(action, now, ends))

    def planned_write(self, action: str, now: float, ends: str) -> Write:
        """Return a write as the lifecycle plans it."""
        lifecycle = self.settings.lifecycle
        lasts = self.simulation.draw(getattr(lifecycle, action))
        provisions_at = now + lifecycle.new_share * lasts
        return Write(action, now, now + lasts, ends, provisions_at=provisions_at)

    def with_fault(self, instance: Instance, write: Write) -> Write:
        """Return a write as the fault that applies to its request changes it."""
        kinds = (*OUTCOME_KINDS, "no_capacity") if write.action == "create" else OUTCOME_KINDS
        operation, regions = _OPERATIONS[write.action], (instance.region,)
        now = write.accepted_at
        fault = self.faults.take(kinds, now, operation, id=instance.id, regions=regions)
        return _with_fault(write, fault, now) if fault else write

    def inject_outcome_fault(self, fault: Fault, now: float) -> None:
        """Apply an outcome fault to an instance now; raise ValueError if it cannot apply."""
        instance = self.store.fault_target(fault)
        if instance.in_flight:
            self.store.save(instance.with_last_write(_with_fault(instance.last_write, fault, now)))
        else:
            self.store.schedule_failure(instance.id, now + (fault.seconds or 0.0))
        self.store.advance(now)


def _with_fault(write: Write, fault: Fault, now: float) -> Write:
    match fault.kind:
        case "stuck":
            return evolve(write, settles_at=math.inf)
        case "regress":
            return evolve(write, regress_after=fault.seconds or 0.0)
        case _:
            settles_at = end_of_failing(write.settles_at, now)
            return evolve(write, ends="error", settles_at=settles_at)
