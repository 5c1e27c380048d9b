"""Tests of fleet files: what they mean, and what their faults are called."""

from pathlib import Path
from typing import Any

import pytest

from di_async import Fleet, InvalidInputError
from di_async.core.fleet_names import name_in_fleet


def entry(**more: Any) -> dict[str, Any]:
    """Return an entry without a check of its spec."""
    return {"provider": "exoscale", "name": "web", **more}


def read(*entries: Any, **more: Any) -> Fleet:
    """Return the fleet of these entries."""
    return Fleet.from_dict({"deployments": list(entries), **more}, source="f.yaml")


def problems(*entries: Any, **more: Any) -> tuple[str, ...]:
    """Return the faults of a fleet of these entries."""
    with pytest.raises(InvalidInputError) as caught:
        read(*entries, **more)
    return caught.value.problems


def test_the_name_may_stand_in_the_entry_or_in_the_spec() -> None:
    """The spec of an entry has the name."""
    fleet = read(entry(), {"provider": "gcore", "spec": {"name": "edge"}})
    assert [(one.name, one.spec["name"]) for one in fleet.entries] == [
        ("web", "web"),
        ("edge", "edge"),
    ]


def test_a_named_fleet_marks_the_names() -> None:
    """So that what an earlier apply made can be found."""
    (one,) = read(entry(), fleet="chat").entries
    assert one.name == one.spec["name"] == name_in_fleet("chat", "web")


def test_regions_and_counts_multiply() -> None:
    """One deployment for each zone, times the count; the parts are in the names."""
    fleet = read(entry(zones=["a-1", "b-2"], count=2))
    assert [(one.region, one.name) for one in fleet.entries] == [
        ("a-1", "web-a-1-1"),
        ("a-1", "web-a-1-2"),
        ("b-2", "web-b-2-1"),
        ("b-2", "web-b-2-2"),
    ]


def test_one_region_is_not_part_of_the_name() -> None:
    """A region may be a number."""
    (one,) = read({"provider": "gcore", "name": "edge", "region": 7}).entries
    assert (one.region, one.name) == ("7", "edge")


def test_an_entry_comes_before_the_defaults() -> None:
    """Fields of the spec are taken one by one; any place replaces that of the defaults."""
    defaults = {"exoscale": {"zone": "a-1", "spec": {"gpu-type": "x", "replicas": 2}}}
    one, two = read(
        entry(), entry(name="api", zones=["b-2"], spec={"replicas": 3}), defaults=defaults
    ).entries
    assert (one.region, one.spec) == ("a-1", {"gpu-type": "x", "replicas": 2, "name": "web"})
    assert (two.region, two.spec["replicas"], two.spec["gpu-type"]) == ("b-2", 3, "x")


def test_the_same_name_in_two_zones_is_valid() -> None:
    """Names belong to a zone at Exoscale."""
    assert len(read(entry(zone="a-1"), entry(zone="b-2")).entries) == 2


@pytest.mark.parametrize(
    ("entries", "more", "expected"),
    [
        (["web"], {}, "f.yaml: deployments[0]: expected a mapping"),
        ([entry(provider="aws")], {}, "f.yaml: deployments[0] (web).provider: expected one of"),
        ([{"provider": "gcore"}], {}, "f.yaml: deployments[0].name: expected text"),
        ([entry(name=7)], {}, "f.yaml: deployments[0].name: expected text"),
        ([entry(spec=[])], {}, "f.yaml: deployments[0] (web).spec: expected a mapping"),
        ([entry(spec={"name": "x"})], {}, "f.yaml: deployments[0] (web).name: is not the spec's"),
        ([entry(count=0)], {}, "f.yaml: deployments[0] (web).count: expected a whole number"),
        ([entry(count=True)], {}, "f.yaml: deployments[0] (web).count: expected a whole number"),
        (
            [entry(zone="a", region="b")],
            {},
            "f.yaml: deployments[0] (web): region and zone exclude",
        ),
        ([entry(zones=[])], {}, "f.yaml: deployments[0] (web).zones: expected a list"),
        ([entry(zones="a")], {}, "f.yaml: deployments[0] (web).zones: expected a list"),
        ([entry(zones=["a", "a"])], {}, "f.yaml: deployments[0] (web).zones: one is listed twice"),
        ([entry(zone=True)], {}, "f.yaml: deployments[0] (web).zone: expected its name"),
        ([entry(replicas=2)], {}, "f.yaml: deployments[0] (web).replicas: unknown"),
        ([entry(open_to_world=True)], {}, "f.yaml: deployments[0] (web).open_to_world: only gcore"),
        ([entry(name="Web")], {"fleet": "chat"}, "f.yaml: deployments[0] (Web).name: in a named"),
        ([entry()], {"fleet": "Chat"}, "f.yaml: fleet: expected 1 to 16"),
        ([entry()], {"flet": "chat"}, "f.yaml: flet: unknown"),
        ([entry()], {"defaults": []}, "f.yaml: defaults: expected a mapping"),
        ([entry()], {"defaults": {"aws": {}}}, "f.yaml: defaults.aws: unknown"),
        ([entry()], {"defaults": {"gcore": 1}}, "f.yaml: defaults.gcore: expected a mapping"),
        ([entry()], {"defaults": {"gcore": {"name": "a"}}}, "f.yaml: defaults.gcore.name: unknown"),
        ([entry()], {"defaults": {"gcore": {"spec": 1}}}, "f.yaml: defaults.gcore.spec: expected"),
        ([entry(), entry()], {}, "f.yaml: deployments: 2 of exoscale are named 'web'"),
        ([], {}, "f.yaml: deployments: expected at least one deployment; only a named"),
        ([entry(count=1000, zones=list(range(9)))], {}, "f.yaml: deployments: more than 5000"),
    ],
)
def test_faults_name_file_entry_and_field(
    entries: list[Any], more: dict[str, Any], expected: str
) -> None:
    """Each fault has a line of its own."""
    (problem,) = problems(*entries, **more)
    assert problem.startswith(expected)


def test_all_faults_are_reported_at_once() -> None:
    """One run shows everything that has to be corrected."""
    assert len(problems(entry(count=0, zones=[]), entry(provider="aws"), fleet="?")) == 4


@pytest.mark.parametrize("provider", ["aws", None, ["gcore"]])
def test_unknown_provider_hides_no_other_fault(provider: Any) -> None:
    """The rest of its entry is checked, except for what depends on the provider."""
    faulty = {"provider": provider, "name": 1, "count": -1, "spec": 3, "region": True, "size": 2}
    found = problems({**faulty, "open_to_world": True})
    fields = [one.partition("deployments[0].")[2].partition(":")[0] for one in found]
    assert sorted(fields) == ["count", "name", "provider", "region", "size", "spec"]


def test_a_named_fleet_may_be_empty() -> None:
    """So that a prune can delete all of it."""
    assert read(fleet="chat") == Fleet((), "chat", "f.yaml")


def test_reads_a_file(tmp_path: Path) -> None:
    """YAML has one meaning: a zone that looks like an octal number is refused."""
    file = tmp_path / "fleet.yaml"
    file.write_text("deployments:\n- {provider: gcore, name: edge, region: 7}\n")
    fleet = Fleet.from_file(file)
    assert (fleet.source, fleet.providers) == (str(file), ("gcore",))
    file.write_text("deployments:\n- {provider: gcore, name: edge, region: 07}\n")
    with pytest.raises(InvalidInputError, match="octal"):
        Fleet.from_file(file)


def test_specs_are_not_in_the_repr() -> None:
    """They may hold environment variables with tokens."""
    assert "hunter2" not in repr(read(entry(spec={"envs": {"KEY": "hunter2"}})))


def test_the_example_in_the_documentation() -> None:
    """The file in `docs/fleets.md` can be read, and has the names that the page shows."""
    page = (Path(__file__).parents[2] / "docs" / "fleets.md").read_text(encoding="utf-8")
    fleet = Fleet.from_text(page.partition("```yaml\n")[2].partition("```")[0])
    assert [(one.provider, one.region) for one in fleet.entries] == [
        ("digitalocean", "atl1"),
        ("digitalocean", "atl1"),
        ("exoscale", "ch-gva-2"),
        ("exoscale", "at-vie-2"),
        ("gcore", "7"),
    ]
    assert f"`{fleet.entries[0].name}`" in page


@pytest.mark.parametrize("raw", [None, [], "fleet", [{"provider": "gcore"}]])
def test_what_is_no_mapping_is_refused(raw: Any) -> None:
    """As invalid input, like every other fault."""
    with pytest.raises(InvalidInputError, match="expected a mapping with fleet and deployments"):
        Fleet.from_dict(raw)
