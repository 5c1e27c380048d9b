"""What every cloud can, told by the same words; and what only some can."""

import json
from pathlib import Path

import pytest

from di_async.emulator import Emulator
from tests.cli.clouds import EXO_GPU, EXO_MODEL, NEVER, SOON, OnCloud, gcore_spec
from tests.cli.helpers import ABSENT, Di, written

PROVIDERS = ("digitalocean", "exoscale", "gcore", "gcore-v2")


@pytest.fixture(params=PROVIDERS)
def cloud(request: pytest.FixtureRequest, di: Di, di_emulator: Emulator) -> OnCloud:
    """Each cloud in its turn."""
    return OnCloud(di, di_emulator, request.param)


@pytest.fixture
def exo(di: Di, di_emulator: Emulator) -> OnCloud:
    """Exoscale."""
    return OnCloud(di, di_emulator, "exoscale")


@pytest.fixture
def gcore(di: Di, di_emulator: Emulator) -> OnCloud:
    """Gcore's v3."""
    return OnCloud(di, di_emulator, "gcore")


# -- all of them ----------------------------------------------------------------------------------


def test_create_scale_delete(cloud: OnCloud) -> None:
    """Each write ends in a proof, and the document shows what it led to."""
    made = cloud.create("first", "-o", "json")
    assert (made.code, made.json["outcome"]) == (0, "settled"), made.err
    assert cloud.status(made.json) == cloud.ready
    scaled = cloud("scale", "first", "2", "-o", "json")
    assert (scaled.code, cloud.replicas(scaled.json)) == (0, 2), scaled.err
    deleted = cloud("delete", "first", "--force", "-o", "json")
    assert (deleted.code, deleted.json["outcome"], deleted.json[cloud.key]) == (0, "settled", None)
    assert cloud("list", "-o", "json").json == []


def test_list_and_get(cloud: OnCloud) -> None:
    """A line for each in a table; `--name` narrows it; `get` finds by name as by id."""
    id = cloud.place("first")
    cloud.place("second")
    lines = cloud("list").out.splitlines()
    assert (lines[0].split()[0], [line.split()[0] for line in lines[1:]]) == (
        "NAME",
        ["first", "second"],
    )
    assert [row["name"] for row in cloud("list", "--name", "second", "-o", "json").json] == [
        "second"
    ]
    assert cloud("get", "first").out == cloud("get", id).out
    assert cloud("get", "first").out.split()[:2] == ["name", "first"]


def test_an_empty_list_says_where_it_looked(cloud: OnCloud) -> None:
    """In which team, zone or project, so that a wrong one is seen."""
    where = {
        "digitalocean": "no instances in this team",
        "exoscale": "no deployments in ch-gva-2",
        "gcore": f"no deployments in project {cloud.emu.gcore_project_id}",
        "gcore-v2": "no instances for this API key",
    }
    assert where[cloud.provider] in cloud("list").err


def test_wait_until_active(cloud: OnCloud) -> None:
    """A wait that no write began ends at the proof, too."""
    cloud.place("first", settles_in=SOON)
    waited = cloud("wait", "first", "-o", "json")
    assert (waited.code, waited.json["action"]) == (0, "active")
    assert cloud.status(waited.json) == cloud.ready


def test_wait_in_vain_and_resume(cloud: OnCloud) -> None:
    """The line to resume with names the cloud; it works as it stands."""
    cloud.place("first", settles_in=SOON)
    waited = cloud("wait", "first", "--timeout", "0")
    assert waited.code == 3
    words = waited.err.split("Resume waiting with: di-async ")[1].split()
    assert ("--provider" in words) is (cloud.provider != "digitalocean")
    resumed = cloud.di(*words, "-o", "json")
    assert (resumed.code, resumed.json["outcome"]) == (0, "settled")


def test_wait_for_all(cloud: OnCloud) -> None:
    """Only what is under way is waited for."""
    cloud.place("done")
    cloud.place("comes", settles_in=SOON)
    waited = cloud("wait", "--all", "-o", "json")
    assert waited.code == 0
    assert [(row["name"], row["outcome"], row["status"]) for row in waited.json] == [
        ("comes", "settled", cloud.ready)
    ]


def test_wait_for_all_in_vain(cloud: OnCloud) -> None:
    """3, and the line to go on with aims at the same cloud."""
    cloud.place("never", settles_in=NEVER)
    waited = cloud("wait", "--all", "--timeout", "0")
    assert waited.code == 3
    again = waited.err.split("Resume waiting with: di-async ")[1].split()
    assert again[-2:] == ["wait", "--all"]
    assert cloud.di(*again, "--timeout", "0").code == 3


def test_a_write_that_is_not_waited_for(cloud: OnCloud) -> None:
    """The document holds a token and, where the answer was no resource, no resource."""
    made = cloud.create("first", "--no-wait", "-o", "json")
    assert (made.code, made.json["outcome"]) == (0, "accepted")
    shows = cloud.provider in ("digitalocean", "gcore-v2")
    assert (made.json[cloud.key] is not None) is shows
    waited = cloud("wait", "--resume", made.json["resume_token"], "-o", "json")
    assert (waited.code, waited.json["action"], waited.json["outcome"]) == (0, "create", "settled")


def test_scan(cloud: OnCloud) -> None:
    """What is under way counts; the other clouds' things do not."""
    cloud.place("first", settles_in=NEVER)
    found = cloud("scan", "-o", "json").json
    assert [row["name"] for row in found["rows"]] == ["first"]
    assert (found["pending"], found["errors"]) == (1, [])


def test_nothing_to_update(cloud: OnCloud) -> None:
    """An update of nothing is a usage error at every cloud."""
    called = cloud("update", cloud.place("first"))
    assert called.code == 2
    assert "nothing to update" in called.err


@pytest.mark.parametrize("provider", ["digitalocean", "exoscale", "gcore-v2"])
def test_rename(di: Di, di_emulator: Emulator, provider: str) -> None:
    """`update --name` where a name is no id."""
    cloud = OnCloud(di, di_emulator, provider)
    id = cloud.place("first")
    assert cloud("update", "first", "--name", "other").code == 0
    assert cloud("get", "other", "-o", "json").json["id"] == id


# -- which one ---------------------------------------------------------------------------------


def test_the_environment_may_name_the_provider(di: Di, monkeypatch: pytest.MonkeyPatch) -> None:
    """DI_ASYNC_PROVIDER and EXOSCALE_ZONE hold where no option says otherwise."""
    monkeypatch.setenv("DI_ASYNC_PROVIDER", "exoscale")
    monkeypatch.setenv("EXOSCALE_ZONE", "at-vie-1")
    assert "no deployments in at-vie-1" in di("list").err
    assert "no deployments in de-fra-1" in di("list", "--zone", "de-fra-1").err


@pytest.mark.parametrize("args", [("--provider", "gcore", "list"), ("list", "--provider", "gcore")])
def test_an_option_beats_the_environment(
    di: Di, monkeypatch: pytest.MonkeyPatch, args: tuple[str, ...]
) -> None:
    """Wherever it stands: before the command's name, too."""
    monkeypatch.setenv("DI_ASYNC_PROVIDER", "exoscale")
    assert "no deployments in project" in di(*args).err


@pytest.mark.parametrize(
    ("args", "able"),
    [
        (("sizes",), "digitalocean"),
        (("accelerators", "x"), "digitalocean"),
        (("ca", "x"), "digitalocean"),
        (("tokens", "list", "x"), "digitalocean"),
        (("models",), "digitalocean or exoscale"),
    ],
)
def test_what_gcore_has_not(gcore: OnCloud, args: tuple[str, ...], able: str) -> None:
    """A usage error names who has it."""
    called = gcore(*args)
    assert called.code == 2
    assert f"only for --provider {able}, not gcore" in called.err


@pytest.mark.parametrize("command", ["start", "stop", "logs"])
def test_what_digitalocean_has_not(di: Di, command: str) -> None:
    """Nothing is asked of the API: the name is not even looked up."""
    called = di(command, "nobody")
    assert called.code == 2
    assert f"`di-async {command}` is only for --provider " in called.err


@pytest.mark.parametrize(
    ("provider", "args", "useless"),
    [
        ("exoscale", ("create", "--name", "x", "--vpc", "y", "--private"), "--public, --vpc"),
        ("gcore", ("create", "--name", "x", "--gpu", "y"), "--gpu"),
        ("gcore", ("update", "x", "--name", "y"), "--name"),
        ("gcore-v2", ("update", "x", "--name", "y", "--ready-timeout", "5"), "--ready-timeout"),
        ("digitalocean", ("scale", "x", "2", "--region", "7"), "--region"),
    ],
)
def test_options_of_another_cloud(
    di: Di, provider: str, args: tuple[str, ...], useless: str
) -> None:
    """Options without a meaning are refused, not ignored."""
    called = di("--provider", provider, *args)
    assert called.code == 2
    assert f"error: {useless} " in called.err
    assert f"not supported by `{args[0]}` with --provider {provider}" in called.err


# -- Exoscale ----------------------------------------------------------------------------------


def test_zones_hold_their_own(exo: OnCloud, di_emulator: Emulator) -> None:
    """What is in one zone is not listed in another; a scan reads all of them."""
    di_emulator.add_exoscale_deployment(name="far", zone="at-vie-1")
    assert exo("list", "-o", "json").json == []
    assert [row["name"] for row in exo("list", "--zone", "at-vie-1", "-o", "json").json] == ["far"]
    assert exo("scan", "-o", "json").json["by_region"] == {"at-vie-1": 1}
    assert exo("scan", "--region", "ch-gva-2", "-o", "json").json["rows"] == []


def test_public_deployments_are_nobodys(exo: OnCloud, di_emulator: Emulator) -> None:
    """What Exoscale runs for all is neither listed nor waited for."""
    di_emulator.add_exoscale_deployment(name="theirs", visibility="public")
    assert exo("list", "-o", "json").json == []


def test_models_of_a_zone(exo: OnCloud, di_emulator: Emulator) -> None:
    """Name and state of each; none is told as such."""
    assert "no models in ch-gva-2" in exo("models").err
    di_emulator.add_exoscale_model(name=EXO_MODEL)
    assert exo("models").out.splitlines()[1].split()[:3] == [EXO_MODEL, "ready", "14.5"]


def test_a_create_without_its_model(exo: OnCloud) -> None:
    """The API's words, and where to look for models."""
    called = exo("create", "--name", "x", "--model", EXO_MODEL, "--gpu", EXO_GPU)
    assert called.code == 1
    assert "`di-async --provider exoscale models`" in called.err


def test_a_create_lacks_options(exo: OnCloud) -> None:
    """The options that are missing are named."""
    called = exo("create", "--name", "x")
    assert called.code == 2
    assert "missing: --model, --gpu" in called.err


def test_no_gpus_left(exo: OnCloud, di_emulator: Emulator) -> None:
    """What the API's 412 means, and what may do instead."""
    di_emulator.fault("no_capacity", on="POST /v2/ai/deployment", region="ch-gva-2")
    called = exo.create("first")
    assert called.code == 1
    assert "412" in called.err
    assert "or another zone" in called.err


def test_create_from_a_file(exo: OnCloud, di_emulator: Emulator, tmp_path: Path) -> None:
    """A YAML file in the documented shape; options lie on top."""
    di_emulator.add_exoscale_model(name=EXO_MODEL)
    text = f"model: {{name: {EXO_MODEL}}}\ngpu-type: {EXO_GPU}\nname: x\nreplicas: 3\n"
    file = written(tmp_path / "spec.yaml", text)
    made = exo("create", "--spec", file, "--name", "y", "--scale", "2", "-o", "json").json
    assert (made["deployment"]["name"], made["deployment"]["replicas"]) == ("y", 2)


def test_update_of_the_engine(exo: OnCloud) -> None:
    """An empty list is sent; what cannot change is named before anything is sent."""
    exo.place("first")
    changed = exo(
        "update", "first", "--spec", "-", "-o", "json",
        input='{"inference-engine-parameters": ["--max-model-len=4096"]}',
    )  # fmt: skip
    assert changed.json["deployment"]["inference_engine_parameters"] == ["--max-model-len=4096"]
    refused = exo("update", "first", "--spec", "-", input='{"gpu-type": "x", "replicas": 2}')
    assert refused.code == 2
    assert "gpu_type, replicas: cannot be updated" in refused.err


def test_scale_to_nothing(exo: OnCloud) -> None:
    """0 is allowed here, and frees the GPUs."""
    exo.place("first")
    assert exo("scale", "first", "0", "-o", "json").json["deployment"]["replicas"] == 0


def test_no_scale_to_nothing_elsewhere(di: Di, di_emulator: Emulator) -> None:
    """At DigitalOcean 0 is refused before anything is sent."""
    di_emulator.add_instance(name="first")
    called = di("scale", "first", "0")
    assert called.code == 2
    assert "use `di-async delete`" in called.err
    assert di_emulator.stats.total == 0


def test_logs_at_exoscale(exo: OnCloud) -> None:
    """Lines with their times; documents hold all of each."""
    exo.place("first")
    lines = exo("logs", "first").out.splitlines()
    assert lines
    assert all(" UTC  " in line for line in lines)
    assert len(exo("logs", "first", "-o", "json").json) == len(lines)


def test_an_ambiguous_name(exo: OnCloud) -> None:
    """An error that lists the ids: nothing is chosen, and nothing deleted."""
    one, two = exo.place("same"), exo.place("same")
    called = exo("delete", "same", "--force")
    assert called.code == 1
    assert one in called.err
    assert two in called.err
    assert len(exo("list", "-o", "json").json) == 2


def test_a_failed_create_points_to_the_logs(exo: OnCloud, di_emulator: Emulator) -> None:
    """With the command lines that show why and end the cost."""
    di_emulator.fault("error", on="POST /v2/ai/deployment")
    called = exo.create("first")
    assert called.code == 1
    id = called.out.split()[1]
    assert f"Check the logs: `di-async --provider exoscale logs {id}`" in called.err
    assert f"Delete it: di-async --provider exoscale delete {id}" in called.err


# -- Gcore -------------------------------------------------------------------------------------


def test_stop_and_start(gcore: OnCloud) -> None:
    """Stopped is proven, and so is serving again."""
    gcore.place("first")
    assert gcore.status(gcore("stop", "first", "-o", "json").json) == "DISABLED"
    assert gcore.status(gcore("start", "first", "-o", "json").json) == "ACTIVE"


def test_logs_at_gcore(gcore: OnCloud) -> None:
    """The latest line is the last one; `--tail` limits them."""
    assert gcore.create("first").code == 0
    lines = gcore("logs", "first").out.splitlines()
    assert lines == sorted(lines, key=lambda line: line[:19])
    assert gcore("logs", "first", "--tail", "1").out.splitlines() == lines[-1:]


def test_scaled_to_zero_counts_as_settled(gcore: OnCloud) -> None:
    """It sleeps, and may wake up to the most that it had."""
    gcore.place("first")
    told = gcore("scale", "first", "0", "-o", "json").json
    assert gcore.status(told) == "PENDING"
    assert told["inference_deployment"]["containers"][0]["scale"]["max"] == 1


def test_scale_in_one_of_several_regions(gcore: OnCloud) -> None:
    """The region has to be said; the others stay as they are."""
    regions = [{"region_id": r, "scale": {"min": 1, "max": 1}} for r in (1, 7)]
    spec = json.dumps(gcore_spec(containers=regions))
    assert gcore("create", "--spec", "-", "--name", "first", input=spec).code == 0
    refused = gcore("scale", "first", "2")
    assert refused.code == 2
    assert "--region, one of 1, 7" in refused.err
    told = gcore("scale", "first", "2", "--region", "7", "-o", "json").json
    scales = [c["scale"]["min"] for c in told["inference_deployment"]["containers"]]
    assert scales == [1, 2]


def test_list_of_a_region(gcore: OnCloud, di_emulator: Emulator) -> None:
    """`--region` is a region's number here."""
    di_emulator.add_gcore_deployment(name="in-seven", region_id=7)
    di_emulator.add_gcore_deployment(name="in-one", region_id=1)
    assert [row["name"] for row in gcore("list", "--region", "1", "-o", "json").json] == ["in-one"]


def test_an_endpoint_for_the_world_has_to_be_meant(gcore: OnCloud) -> None:
    """No keys is a usage error without `--open-to-world`."""
    spec = json.dumps(gcore_spec(api_keys=[]))
    args = ("create", "--spec", "-", "--name", "first")
    refused = gcore(*args, input=spec)
    assert refused.code == 2
    assert "say --open-to-world" in refused.err
    assert gcore(*args, "--open-to-world", input=spec).code == 0


def test_environment_variables_are_masked(gcore: OnCloud) -> None:
    """Their names are in documents, their values are not: they may be secrets."""
    spec = json.dumps(gcore_spec(envs={"TOKEN": "planted-0123456789"}))
    made = gcore("create", "--spec", "-", "--name", "first", "-o", "json", "-vv", input=spec)
    assert list(made.json["inference_deployment"]["envs"]) == ["TOKEN"]
    assert "planted" not in made.out + made.err


def test_gcore_needs_a_file(gcore: OnCloud) -> None:
    """And says what is in one."""
    called = gcore("create", "--name", "first")
    assert called.code == 2
    assert "use --spec FILE" in called.err


def test_no_secret_of_any_cloud_is_told(cloud: OnCloud) -> None:
    """Whatever is called, in the loudest mode."""
    said = ""
    for args in (("list",), ("get", ABSENT), ("get", "nobody"), ("scan",), ("list", "-o", "json")):
        called = cloud(*args, "-vv", "--debug")
        said += called.out + called.err
    emu = cloud.emu
    assert "debug:" in said
    for secret in (emu.token, emu.exoscale_api_secret, emu.gcore_api_key):
        assert secret not in said
