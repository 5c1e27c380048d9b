"""Bad settings of resources that tests add: an error at the call, not a broken answer later."""

from typing import Any

import pytest

from di_async.emulator import World

from .helpers import NOW

BAD: list[tuple[str, dict[str, Any]]] = [
    ("add_instance", {"status": "bogus"}),
    ("add_instance", {"region": "mars"}),
    ("add_instance", {"scale": 0}),
    ("add_instance", {"scale": "two"}),
    ("add_instance", {"scale": True}),
    ("add_instance", {"accelerator_slug": "nope"}),
    ("add_instance", {"model_slug": "a b"}),
    ("add_instance", {"name": 5}),
    ("add_instance", {"name": "not valid"}),
    ("add_instance", {"nmae": "typo"}),
    ("add_instance", {"version": -1}),
    ("add_instance", {"settles_in": -1}),
    ("add_instance", {"settles_in": "soon"}),
    ("add_instance", {"created": "today"}),
    ("add_gcore_deployment", {"status": "bogus"}),
    ("add_gcore_deployment", {"generation": 4}),
    ("add_gcore_deployment", {"name": "ab"}),
    ("add_gcore_deployment", {"region_id": 99}),
    ("add_gcore_deployment", {"scale_min": 3, "scale_max": 1}),
    ("add_gcore_deployment", {"settles_in": "soon"}),
    ("add_gcore_deployment", {"flavor": "typo"}),
    ("add_exoscale_deployment", {"state": "bogus"}),
    ("add_exoscale_deployment", {"zone": "mars"}),
    ("add_exoscale_deployment", {"gpu_type": "none"}),
    ("add_exoscale_deployment", {"replicas": -1}),
    ("add_exoscale_deployment", {"gpu_count": 9}),
    ("add_exoscale_deployment", {"name": ""}),
    ("add_exoscale_deployment", {"parameters": "one text"}),
    ("add_exoscale_model", {"state": "bogus"}),
    ("add_exoscale_model", {"name": 5}),
    ("add_exoscale_model", {"size": 1}),
    ("add_instance", {"scale": 10**19}),
    ("add_instance", {"version": 10**19}),
    ("add_instance", {"created": 2**63}),
    ("add_instance", {"created": -(2**63)}),
    ("add_instance", {"vpc_uuid": "\ud800"}),
    ("add_gcore_deployment", {"scale_max": 10**19}),
    ("add_gcore_deployment", {"image": "\ud800"}),
    ("add_gcore_deployment", {"message": "\ud800"}),
    ("add_exoscale_deployment", {"created": 2**63}),
    ("add_exoscale_deployment", {"name": "\ud800"}),
    ("add_exoscale_deployment", {"replicas": 10**19}),
    ("add_exoscale_deployment", {"parameters": ["\ud800"]}),
    ("add_exoscale_model", {"created": 2**63}),
    ("add_token", {"id": "nobody"}),
    ("add_gcore_key", {"name": ""}),
    ("add_gcore_key", {"name": "\ud800"}),
    ("add_model", {"slug": "a/b", "name": "\ud800"}),
    ("add_model", {"slug": "a b"}),
    ("add_model", {"slug": "a/b", "gpus": ["nope"]}),
]


@pytest.mark.parametrize(("method", "settings"), BAD, ids=lambda value: str(value))
def test_bad_setting_is_a_value_error(method: str, settings: dict[str, Any]) -> None:
    """A bad value raises ValueError, and nothing is added."""
    world = World(seed=0)
    world.simulation.advance_to(NOW)
    with pytest.raises(ValueError, match=r"\S"):
        getattr(world, method)(**settings)
    assert world.created == {}


def test_message_names_the_setting() -> None:
    """The message names the setting, and lists what there is instead of a typo."""
    with pytest.raises(ValueError, match="scale: 'two' is not of type int"):
        World(seed=0).add_instance(scale="two", now=NOW)
    with pytest.raises(ValueError, match="unknown setting 'nmae'; there are: accelerator_slug"):
        World(seed=0).add_instance(nmae="x", now=NOW)
    with pytest.raises(ValueError, match=r"'status' must be in .*FAILED") as caught:
        World(seed=0).add_gcore_deployment(status="ERROR", now=NOW)
    assert len(caught.value.args) == 1


@pytest.mark.parametrize("status", ["new", "provisioning", "active", "updating", "deleting"])
def test_added_instance_uses_up_no_fault(status: str) -> None:
    """Faults apply to requests: one that is armed before stays armed for the next create."""
    world = World(seed=0)
    fault = world.fault("error", now=NOW)
    it = world.add_instance(status=status, now=NOW)
    assert fault.hits == 0
    assert {write.ends for write in world.truth(it.id, NOW).writes} <= {"active", "deleted"}


def test_name_of_an_instance_can_be_added_once() -> None:
    """Names are unique, as in requests: the deletion of two of one name would fail."""
    world = World(seed=0)
    world.add_instance(name="one", now=NOW)
    with pytest.raises(ValueError, match="'one' already exists"):
        world.add_instance(name="one", now=NOW)
    assert world.created == {"one": 1}
