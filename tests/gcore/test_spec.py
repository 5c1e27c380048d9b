"""Specs: documented rules are checked before anything is sent, all faults at once."""

from collections.abc import Callable
from typing import Any

import pytest

from di_async import InvalidInputError, Secret
from di_async.core.validation import checked
from di_async.gcore import (
    Container,
    HTTPGetProbe,
    InferenceDeploymentSpec,
    InferenceInstanceSpec,
    Probe,
    ProbeConfig,
    Probes,
    Scale,
    Threshold,
    Triggers,
)
from di_async.gcore.spec import given_fields, live_fields, merged_body, shown_spec
from tests.builders.gcore import (
    HIDDEN,
    ID,
    a_container,
    a_deployment,
    a_spec,
    an_instance,
    read_deployment,
    read_instance,
    sample,
)

V2 = InferenceInstanceSpec
V3 = InferenceDeploymentSpec


def problems(call: Callable[[], object]) -> tuple[str, ...]:
    """Return the faults that a call reports."""
    with pytest.raises(InvalidInputError) as caught:
        call()
    return caught.value.problems


def scale(**fields: Any) -> dict[str, Any]:
    """Return a v3 spec with this scale."""
    return a_spec(containers=[{"region_id": 7, "scale": {"min": 1, "max": 3, **fields}}])


def probe(**fields: Any) -> dict[str, Any]:
    """Return a v3 spec with this liveness probe."""
    return a_spec(probes={"liveness_probe": {"enabled": True, "probe": fields}})


GOOD = [
    a_spec(name="four"),
    a_spec(name="x" * 30),
    a_spec(listening_port=1),
    a_spec(listening_port=65535),
    a_spec(timeout=0),
    a_spec(timeout=None, command=None, description=None, probes=None, credentials_name=None),
    a_spec(api_keys=["one"]),
    a_spec(auth_enabled=True),
    a_spec(logging={"enabled": False}, ingress_opts={"disable_response_buffering": True}),
    scale(min=0, max=0),
    scale(triggers={"http": {"rate": 1, "window": 60}, "cpu": None}),
    scale(triggers={"brand_new": {"threshold": 1}}),
    probe(exec={"command": ["ls"]}, http_get=None),
    a_spec(probes={"liveness_probe": None, "startup_probe": {"enabled": False}}),
]
BAD = {
    "name: expected 4 to 30": [a_spec(name="abc"), a_spec(name="x" * 31), a_spec(name=5)],
    "name: required": [{k: v for k, v in a_spec().items() if k != "name"}, a_spec(name=None)],
    "listening_port: expected a whole number from 1 to 65535": [
        *(a_spec(listening_port=port) for port in (0, 65536, "80", True, 80.0))
    ],
    "containers: expected at least one": [a_spec(containers=[])],
    "containers: required": [a_spec(containers=None)],
    "containers: expected a list": [a_spec(containers="7"), a_spec(containers={})],
    "containers[0].region_id": [
        a_spec(containers=[{"scale": {"min": 1, "max": 1}}]),
        a_spec(containers=[a_container(region_id="7")]),
    ],
    "containers[0].scale: required": [a_spec(containers=[{"region_id": 7}])],
    "containers[0].scale.min": [scale(min=-1), scale(min=None)],
    "containers[0].scale.max: expected 4 (min) or more, not 3": [scale(min=4)],
    "containers[0].scale.cooldown": [scale(cooldown_period=-1), scale(cooldown=3)],
    "containers[0].scale.triggers.cpu.threshold": [scale(triggers={"cpu": {"threshold": "80"}})],
    "containers[0].scale.triggers.cpu: expected a mapping": [scale(triggers={"cpu": 80})],
    "containers[0].replicas: no such field": [a_spec(containers=[a_container(replicas=3)])],
    "containers[1]: expected a mapping": [a_spec(containers=[a_container(), 7])],
    "containers[0].scale.triggers: expected a mapping": [scale(triggers=["cpu"])],
    "probes: expected a mapping": [a_spec(probes=["liveness_probe"])],
    "probes.liveness_probe: expected a mapping": [a_spec(probes={"liveness_probe": True})],
    "probes.liveness_probe.probe: expected a mapping": [
        a_spec(probes={"liveness_probe": {"enabled": True, "probe": "http_get"}})
    ],
    "probes.liveness_probe.probe.http_get: expected a mapping": [probe(http_get=80)],
    "probes.liveness_probe.probe.http_get.headers: expected a mapping": [
        probe(http_get={"port": 80, "headers": ["T"]})
    ],
    "logging: expected a mapping": [a_spec(logging=True)],
    "description: expected text": [a_spec(description=7)],
    "image": [a_spec(image=""), a_spec(image=None), a_spec(image=7)],
    "timeout": [a_spec(timeout=-1), a_spec(timeout="120")],
    "command": [a_spec(command="nginx -g"), a_spec(command=["nginx", 1])],
    "envs: may be omitted": [a_spec(envs=None)],
    "envs: expected a mapping": [a_spec(envs=["A=1"])],
    "envs['A']: expected text": [a_spec(envs={"A": 1})],
    "auth_enabled: expected true or false": [a_spec(auth_enabled="yes")],
    "auth_enabled: deprecated": [a_spec(auth_enabled=True, api_keys=["one"])],
    "flavour: no such field": [a_spec(flavour="x")],
    "flavor_id: no such field": [a_spec(flavor_id=ID)],
    "probes.liveness: no such field": [a_spec(probes={"liveness": {}})],
    "probes.liveness_probe.enabled": [a_spec(probes={"liveness_probe": {}})],
    "probes.liveness_probe.probe.http_get.port: expected": [probe(http_get={"port": 0})],
    "probes.liveness_probe.probe.tcp_socket.port: required": [probe(tcp_socket={})],
    "probes.liveness_probe.probe.exec.command[0]": [probe(exec={"command": [1]})],
}


@pytest.mark.parametrize("raw", GOOD)
def test_valid_spec(raw: dict[str, Any]) -> None:
    """A valid spec is sent as it was given."""
    assert V3.from_dict(raw).to_dict() == raw


@pytest.mark.parametrize(
    ("rule", "raw"), [(rule, raw) for rule, raws in BAD.items() for raw in raws]
)
def test_invalid_spec(rule: str, raw: dict[str, Any]) -> None:
    """A fault is reported once, with its path."""
    (problem,) = problems(lambda: V3.from_dict(raw))
    assert problem.startswith(rule)


@pytest.mark.parametrize(
    "raw",
    [
        a_spec(command=f"serve --hf-token {HIDDEN}"),
        a_spec(command=["serve", [HIDDEN]]),
        a_spec(command=HIDDEN.encode()),
        a_spec(envs=HIDDEN),
        a_spec(api_keys=HIDDEN),
        a_spec(probes=HIDDEN),
        probe(exec={"command": HIDDEN}),
        probe(http_get={"port": 80, "headers": HIDDEN}),
    ],
)
def test_a_fault_shows_no_secret(raw: dict[str, Any]) -> None:
    """Of a value that may hold a secret, only the type is shown."""
    with pytest.raises(InvalidInputError) as caught:
        V3.from_dict(raw)
    assert HIDDEN not in f"{caught.value!r} {caught.value} {caught.value.problems}"


def test_all_faults_at_once() -> None:
    """One error lists all faults, in the order of the fields."""
    found = problems(lambda: V3.from_dict({"name": "x", "listening_port": 0, "containers": []}))
    assert [problem.partition(":")[0] for problem in found] == [
        *("name", "image", "listening_port", "containers", "flavor_name")
    ]


@pytest.mark.parametrize("name", ["flavor_id", "image_registry_id"])
def test_uuids(name: str) -> None:
    """v2 identifies flavours and registries by UUID."""
    found = problems(lambda: V2.from_dict({**sample("update_request"), name: "h100"}))
    assert found == (f"{name}: expected a UUID, not 'h100'",)


def test_models_make_a_spec() -> None:
    """Model classes may replace mappings; their unset fields are not sent."""
    container = Container(7, Scale(0, 3, triggers=Triggers(cpu=Threshold(80))))
    get = HTTPGetProbe(80, path="/healthz", headers={"X-Token": HIDDEN})
    spec = V3(
        name="my-instance",
        flavor_name="h100",
        image="nginx:latest",
        listening_port=8080,
        containers=[container],
        command=("nginx", "-g"),
        envs={"KEY": Secret(HIDDEN)},
        probes=Probes(liveness_probe=ProbeConfig(True, Probe(http_get=get))),
    )
    spec.check()
    body = spec.to_dict()
    assert body["containers"] == [
        {"region_id": 7, "scale": {"min": 0, "max": 3, "triggers": {"cpu": {"threshold": 80}}}}
    ]
    assert body["command"] == ["nginx", "-g"]
    assert body["envs"] == {"KEY": HIDDEN}
    get_probe = body["probes"]["liveness_probe"]["probe"]["http_get"]
    assert get_probe == {"port": 80, "path": "/healthz", "headers": {"X-Token": HIDDEN}}
    assert "timeout" not in body
    assert HIDDEN not in repr(spec)


def test_an_answer_can_be_sent() -> None:
    """A caller may start from the answer of a GET: read-only fields are dropped."""
    spec = V2.from_dict(an_instance())
    assert spec.to_dict() == {
        k: v for k, v in sample("update_request").items() if k != "project_id"
    }


def test_null_differs_from_unset() -> None:
    """None is sent as null; unset fields are not sent."""
    spec = V3(**a_spec(), description=None)
    assert spec.to_dict() == a_spec(description=None)
    assert "UNSET" in repr(spec)


def test_no_secret_of_a_mapping_is_shown() -> None:
    """Of an invalid variable or header, only the name is shown."""
    raw = probe(http_get={"port": 80, "headers": {"X-Token": [HIDDEN]}})
    raw["envs"] = {"KEY": [HIDDEN]}
    found = problems(lambda: V3.from_dict(raw))
    assert len(found) == 2
    assert HIDDEN not in str(found)


def test_update() -> None:
    """An update may have some of the fields only; they are checked."""
    fields = {"image": "nginx:2"}
    assert checked(V3, fields, update=True) is fields
    assert problems(lambda: checked(V3, {"image": ""}, update=True))


@pytest.mark.parametrize("raw", [None, 7, "name"])
def test_not_a_spec(raw: Any) -> None:
    """A spec is one of the spec classes or a mapping."""
    with pytest.raises(InvalidInputError, match="spec: expected a mapping"):
        given_fields(raw)


# --- the body of a v2 update -----------------------------------------------------------------

TWO: list[dict[str, Any]] = [
    {"region_id": 7, "scale": {"min": 1, "max": 3, "triggers": {"cpu": {"threshold": 80}}}},
    {"region_id": 12, "scale": {"min": 2, "max": 4}},
]


def merged(live: dict[str, Any] | None = None, **fields: Any) -> dict[str, Any]:
    """Return the body that changes these fields."""
    live = an_instance() if live is None else live
    return merged_body(live_fields(live, read_instance(live))[0], fields)


def test_one_field() -> None:
    """The other fields are kept."""
    kept = {k: v for k, v in sample("update_request").items() if k != "project_id"}
    assert merged(image="nginx:2") == {**kept, "image": "nginx:2"}


def test_scaling_one_region_keeps_its_triggers_and_the_other_region() -> None:
    """Containers are merged region by region, key by key."""
    body = merged(
        an_instance(containers=TWO),
        containers=[
            {"region_id": 7, "scale": {"max": 9, "triggers": {"memory": {"threshold": 5}}}}
        ],
    )
    triggers = {"cpu": {"threshold": 80}, "memory": {"threshold": 5}}
    assert body["containers"] == [
        {"region_id": 7, "scale": {"min": 1, "max": 9, "triggers": triggers}},
        TWO[1],
    ]


def test_new_region() -> None:
    """A new region is added at the end."""
    new = {"region_id": 9, "scale": {"min": 0, "max": 1}}
    assert merged(an_instance(containers=TWO), containers=[new])["containers"] == [*TWO, new]


def test_null_removes_a_key() -> None:
    """Null removes a trigger or an environment variable."""
    body = merged(
        an_instance(containers=TWO),
        containers=[{"region_id": 7, "scale": {"triggers": {"cpu": None}}}],
        envs={"KEY": None, "NEW": "1"},
        description=None,
    )
    assert body["containers"][0]["scale"]["triggers"] == {}
    assert body["envs"] == {"DEBUG_MODE": "False", "NEW": "1"}
    assert body["description"] is None


def test_unknown_keys_are_kept() -> None:
    """A trigger unknown to our models is sent back unchanged."""
    container = {"region_id": 7, "scale": {"min": 1, "max": 3, "triggers": {"fpga": {"rate": 1}}}}
    body = merged(an_instance(containers=[container]), image="nginx:2")
    assert body["containers"] == [container]


def test_read_only_fields_are_not_sent() -> None:
    """Read-only fields of the instance and of its containers are dropped."""
    body = merged(an_instance(containers=[{**TWO[0], "error_message": "x", "address": "y"}]))
    assert body["containers"] == [TWO[0]]
    assert not {"id", "status", "address", "created_at"} & set(body)


@pytest.mark.parametrize("name", ["envs", "api_key_ids"])
def test_null_that_cannot_be_sent_is_omitted(name: str) -> None:
    """A field that is shown as null but not nullable is omitted, which means the same."""
    assert name not in merged({**an_instance(), name: None})


def test_nullable_null_is_kept() -> None:
    """A nullable null is sent: omitting `timeout` would make it 120."""
    assert merged(an_instance(timeout=None))["timeout"] is None


def test_the_live_answer_is_not_changed() -> None:
    """Merging copies values."""
    live = an_instance()
    merged(live, envs={"KEY": "x"}, containers=[{"region_id": 7, "scale": {"max": 9}}])
    assert live == an_instance()


@pytest.mark.parametrize("odd", [None, "7", [7]])
def test_odd_containers_shown(odd: Any) -> None:
    """Invalid live containers are ignored; the caller's are sent."""
    given = [{"region_id": 7, "scale": {"min": 1, "max": 1}}]
    live = {**an_instance(), "containers": odd}
    assert merged_body(live, {"containers": given})["containers"] == given


def test_undocumented_fields() -> None:
    """Undocumented fields, at any depth that a PUT cannot keep, are listed and not sent."""
    container = {**TWO[0], "zone": "a", "scale": {**TWO[0]["scale"], "step": 2}}
    live = an_instance(region="x", nothing=None, containers=[container, TWO[1]])
    fields, lost = live_fields(live, read_instance(live))
    assert set(lost) == {"containers[0].zone", "containers[0].scale.step", "region"}
    assert fields["containers"] == TWO
    assert "region" not in fields
    assert live_fields(an_instance(), read_instance(an_instance()))[1] == []


def test_live_values_in_another_form() -> None:
    """What the API shows in another form than it takes is sent as documented."""
    container = {"region_id": "7", "scale": {"min": "1", "max": 3.0, "triggers": None}}
    live = an_instance(
        containers=[container],
        command="serve --port 80",
        envs={"PORT": 80},
        auth_enabled="true",
        image_registry_id="",
        timeout="60",
    )
    body = merged(live, image="nginx:2")
    assert checked(V2, body) == body
    assert body["containers"] == [{"region_id": 7, "scale": {"min": 1, "max": 3, "triggers": None}}]
    assert (body["command"], body["envs"]) == (["serve", "--port", "80"], {"PORT": "80"})
    assert (body["auth_enabled"], body["image_registry_id"], body["timeout"]) == (True, None, 60)
    assert checked(V2, merged(an_instance(command="")))["command"] is None


def test_spec_to_go_back_to() -> None:
    """What an update changed and was not there before is null; an empty registry means none."""
    live = read_deployment(a_deployment(credentials_name="", command=None, probes=None))
    body = shown_spec(live, {"credentials_name", "command", "envs"}).to_dict()
    assert body["credentials_name"] is body["command"] is None
    assert "probes" not in body
    assert "credentials_name" not in shown_spec(live).to_dict()
    instance = shown_spec(read_instance(an_instance(timeout=None, envs=None))).to_dict()
    assert instance["timeout"] is None  # omitting it would make it 120
    assert "envs" not in instance


def test_spec_that_a_read_shows() -> None:
    """It can be sent as it is: no read-only fields, a command as a list, one kind of access."""
    shown = a_deployment(command="serve --port 80", api_keys=["mine"], auth_enabled=True)
    spec = shown_spec(read_deployment(shown))
    body = spec.to_dict()
    assert checked(type(spec), body) == body
    assert body["command"] == ["serve", "--port", "80"]
    assert body["api_keys"] == ["mine"]
    assert "auth_enabled" not in body
    assert "status" not in body
    assert set(body["containers"][0]) == {"region_id", "scale"}
    unbalanced = shown_spec(read_deployment(a_deployment(command="say 'hello")))
    assert unbalanced.command == ["say 'hello"]
    instance = shown_spec(read_instance(an_instance()))
    assert checked(type(instance), instance.to_dict())["flavor_id"] == an_instance()["flavor_id"]
