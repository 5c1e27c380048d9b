"""What the writes of both generations share: room, locks, and the estate's new state.

Rules of this file: no wire shape of one generation alone. Which HTTP status goes with which
`exception_class` no page says; the choices are argued at their lines.
"""

from collections.abc import Mapping

from attrs import evolve

from di_async.emulator.cloud.http import Refusal

from . import outcomes
from .catalog import BY_ID, BY_NAME, Flavor, capacity, demand
from .context import ProviderContext
from .records import Action, Deployment, Generation, Spec


def create(
    context: ProviderContext, now: float, operation: str, generation: Generation, spec: Spec
) -> Deployment:
    """A new deployment, in the estate."""
    name: str = spec["name"]
    check_free(context, generation, name)
    id = name if generation == 3 else context.ids.new_uuid()
    blank = Deployment(id, generation, name, spec, now)
    check_room(context, now, operation, blank, None)
    write = outcomes.begin(context, now, operation, "create", blank)
    made = evolve(blank, writes=(write,))
    context.store.put(made)
    outcomes.stale_view(context, now, operation, made, None)
    return made


def change(
    context: ProviderContext,
    now: float,
    operation: str,
    action: Action,
    before: Deployment,
    **changes: object,
) -> Deployment:
    """The deployment with one more write under way."""
    check_unlocked(before, now)
    after = evolve(before, **changes)  # type: ignore[arg-type]
    if action == "update":
        check_room(context, now, operation, after, before)
    write = outcomes.begin(context, now, operation, action, after)
    write = evolve(write, before=before)
    # A story told of an earlier write is over, unless this one is to delete or stop it.
    failed = before.failed if action in ("delete", "stop") else ""
    after = evolve(after, writes=(*before.writes, write), failed=failed)
    context.store.put(after)
    outcomes.stale_view(context, now, operation, after, before)
    return after


def check_free(
    context: ProviderContext, generation: Generation, name: str, owner: str | None = None
) -> None:
    """The name is nobody's, or the owner's own."""
    holder = context.store.named(generation, name)
    if holder and holder.id != owner:
        raise Refusal(409, f"Inference instance with name {name} already exists")


def check_unlocked(it: Deployment, now: float) -> None:
    """Nobody else's task runs on it; the SDK calls the 409 a lock and tries again."""
    if it.in_flight and now < it.change.task_ends_at:
        raise Refusal(409, f"Inference instance {it.name} is locked by another task")


def check_room(
    context: ProviderContext, now: float, operation: str, it: Deployment, before: Deployment | None
) -> None:
    """Its flavour is to be had in its regions, and the quota suffices."""
    flavor = flavor_of(it)
    already = set(before.regions) if before and flavor_of(before) is flavor else set()
    for region in it.regions:
        if region in already:
            continue
        fault = context.faults.take(("no_capacity",), now, operation, id=it.id, region=str(region))
        if fault or not capacity(region, flavor):
            told = fault.message if fault else None
            raise Refusal(403, told or f"Flavor {flavor.name} has no capacity in region {region}")
    _check_quota(context, it, before)


def usage(context: ProviderContext, without: Deployment | None = None) -> dict[str, int]:
    """What the project's deployments count for, by quota."""
    used = dict.fromkeys(context.quota, 0)
    for it in context.store.deployments.values():
        if without is None or it.id != without.id:
            for attribute, count in demand_of(it).items():
                used[attribute] += count
    return used


def demand_of(it: Deployment) -> dict[str, int]:
    """What a deployment counts for when all of its replicas run."""
    return demand(flavor_of(it), replicas_in(it.spec))


def replicas_in(spec: Spec) -> int:
    """How many replicas it may come to."""
    return sum(container["scale"]["max"] for container in spec["containers"])


def flavor_of(it: Deployment) -> Flavor:
    """Its size."""
    flavors: Mapping[str, Flavor] = BY_NAME if it.generation == 3 else BY_ID
    return flavors[it.spec["flavor_name" if it.generation == 3 else "flavor_id"]]


def _check_quota(context: ProviderContext, it: Deployment, before: Deployment | None) -> None:
    used, asked = usage(context, without=before), demand_of(it)
    for attribute, limit in context.quota.items():
        over = used[attribute] + asked[attribute] - limit
        if over > 0 and asked[attribute]:
            info = {
                "attribute": f"{attribute}_limit",
                "current_usage": used[attribute],
                "requested_usage": asked[attribute],
                "limit": limit,
            }
            told = f"Quota limit for {attribute}_limit exceeded by {over}"
            raise Refusal(400, told, exception_class="QuotaLimitExceed", info=info)
