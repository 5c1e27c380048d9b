"""Commands that every provider supports, and commands that only some support."""

import json
from pathlib import Path

import pytest

from di_async.emulator import Emulator
from tests.cli.clouds import EXO_GPU, EXO_MODEL, NEVER, SOON, ProviderCLI, gcore_spec
from tests.cli.helpers import ABSENT, Di, write_file

CREATE_GCORE = "/cloud/v3/inference/{project}/deployments"
PROVIDERS = ("digitalocean", "exoscale", "gcore", "gcore-v2")


@pytest.fixture(params=PROVIDERS)
def cloud(request: pytest.FixtureRequest, di: Di, di_emulator: Emulator) -> ProviderCLI:
    """Each provider."""
    return ProviderCLI(di, di_emulator, request.param)


@pytest.fixture
def exo(di: Di, di_emulator: Emulator) -> ProviderCLI:
    """Exoscale."""
    return ProviderCLI(di, di_emulator, "exoscale")


@pytest.fixture
def gcore(di: Di, di_emulator: Emulator) -> ProviderCLI:
    """Gcore v3."""
    return ProviderCLI(di, di_emulator, "gcore")


@pytest.mark.parametrize("provider", ["exoscale", "gcore"])
def test_failed_create_prints_its_log(provider: str, di: Di, di_emulator: Emulator) -> None:
    """The end of the log is on stderr, and in the document; the exit code is 1."""
    cloud = ProviderCLI(di, di_emulator, provider)
    path = "/v2/ai/deployment" if provider == "exoscale" else CREATE_GCORE
    di_emulator.fault("error", on=f"POST {path}", message="no room for token=hf_abcdefgh12345")
    if provider == "gcore":  # a failing container counts only after two minutes, this word at once
        di_emulator.fault(
            "unknown_status", on=f"GET {CREATE_GCORE}/{{id}}", word="ERROR", times=None
        )
    failed = cloud.create("first", "-o", "json")
    assert failed.code == 1
    assert failed.json["outcome"] == "failed"
    assert "The end of its log:" in failed.err
    assert failed.json["logs"][-1] in failed.err
    assert "hf_abcdefgh12345" not in failed.out + failed.err


# -- every provider --------------------------------------------------------------------------------


def test_create_scale_delete(cloud: ProviderCLI) -> None:
    """Each write ends confirmed, and its document holds the resulting resource."""
    made = cloud.create("first", "-o", "json")
    assert (made.code, made.json["outcome"]) == (0, "settled"), made.err
    assert cloud.status(made.json) == cloud.ready
    scaled = cloud("scale", "first", "2", "-o", "json")
    assert (scaled.code, cloud.replicas(scaled.json)) == (0, 2), scaled.err
    deleted = cloud("delete", "first", "--force", "-o", "json")
    assert (deleted.code, deleted.json["outcome"], deleted.json[cloud.key]) == (0, "settled", None)
    assert cloud("list", "-o", "json").json == []


def test_list_and_get(cloud: ProviderCLI) -> None:
    """A table has a line per resource; `--name` filters; `get` accepts a name or an id."""
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


def test_empty_list_names_the_location(cloud: ProviderCLI) -> None:
    """The message names the team, zone, project or key, so a wrong one is noticed."""
    where = {
        "digitalocean": "no instances in this team",
        "exoscale": "no deployments in ch-gva-2",
        "gcore": f"no deployments in project {cloud.emu.gcore_project_id}",
        "gcore-v2": "no instances for this API key",
    }
    assert where[cloud.provider] in cloud("list").err


def test_wait_until_active(cloud: ProviderCLI) -> None:
    """A wait without a write ends when the resource is confirmed active."""
    cloud.place("first", settles_in=SOON)
    waited = cloud("wait", "first", "-o", "json")
    assert (waited.code, waited.json["action"]) == (0, "active")
    assert cloud.status(waited.json) == cloud.ready


def test_timed_out_wait_can_be_resumed(cloud: ProviderCLI) -> None:
    """The printed command line names the provider and works unchanged."""
    cloud.place("first", settles_in=SOON)
    waited = cloud("wait", "first", "--timeout", "0")
    assert waited.code == 3
    words = waited.err.split("its proof so far: di-async ")[1].split()
    assert ("--provider" in words) is (cloud.provider != "digitalocean")
    resumed = cloud.di(*words, "-o", "json")
    assert (resumed.code, resumed.json["outcome"]) == (0, "settled")


def test_wait_for_all(cloud: ProviderCLI) -> None:
    """`wait --all` waits only for resources with a change in progress."""
    cloud.place("done")
    cloud.place("comes", settles_in=SOON)
    waited = cloud("wait", "--all", "-o", "json")
    assert waited.code == 0
    assert [(row["name"], row["outcome"], row["status"]) for row in waited.json] == [
        ("comes", "settled", cloud.ready)
    ]


def test_timed_out_wait_for_all_can_be_repeated(cloud: ProviderCLI) -> None:
    """Exit code 3; the printed command line names the provider."""
    cloud.place("never", settles_in=NEVER)
    waited = cloud("wait", "--all", "--timeout", "0")
    assert waited.code == 3
    words = waited.err.split("Resume waiting with: di-async ")[1].split()
    assert words[-2:] == ["wait", "--all"]
    assert cloud.di(*words, "--timeout", "0").code == 3


def test_create_without_waiting(cloud: ProviderCLI) -> None:
    """The document holds a resume token, and a resource only if the API returned one."""
    made = cloud.create("first", "--no-wait", "-o", "json")
    assert (made.code, made.json["outcome"]) == (0, "accepted")
    shows = cloud.provider in ("digitalocean", "gcore-v2")
    assert (made.json[cloud.key] is not None) is shows
    waited = cloud("wait", "--resume", made.json["resume_token"], "-o", "json")
    assert (waited.code, waited.json["action"], waited.json["outcome"]) == (0, "create", "settled")


def test_scan(cloud: ProviderCLI) -> None:
    """A scan counts pending resources and holds no other provider's."""
    cloud.place("first", settles_in=NEVER)
    found = cloud("scan", "-o", "json").json
    assert [row["name"] for row in found["rows"]] == ["first"]
    assert (found["pending"], found["errors"]) == (1, [])


def test_nothing_to_update(cloud: ProviderCLI) -> None:
    """An update without changes is a usage error at every provider."""
    result = cloud("update", cloud.place("first"))
    assert result.code == 2
    assert "nothing to update" in result.err


@pytest.mark.parametrize("provider", ["digitalocean", "exoscale", "gcore-v2"])
def test_rename(di: Di, di_emulator: Emulator, provider: str) -> None:
    """`update --name` renames where the name is not the id."""
    cloud = ProviderCLI(di, di_emulator, provider)
    id = cloud.place("first")
    assert cloud("update", "first", "--name", "other").code == 0
    assert cloud("get", "other", "-o", "json").json["id"] == id


# -- selection of the provider ---------------------------------------------------------------------


def test_provider_and_zone_from_the_environment(di: Di, monkeypatch: pytest.MonkeyPatch) -> None:
    """DI_ASYNC_PROVIDER and EXOSCALE_ZONE apply unless an option overrides them."""
    monkeypatch.setenv("DI_ASYNC_PROVIDER", "exoscale")
    monkeypatch.setenv("EXOSCALE_ZONE", "at-vie-1")
    assert "no deployments in at-vie-1" in di("list").err
    assert "no deployments in de-fra-1" in di("list", "--zone", "de-fra-1").err


@pytest.mark.parametrize("args", [("--provider", "gcore", "list"), ("list", "--provider", "gcore")])
def test_option_overrides_the_environment(
    di: Di, monkeypatch: pytest.MonkeyPatch, args: tuple[str, ...]
) -> None:
    """This holds before and after the command's name."""
    monkeypatch.setenv("DI_ASYNC_PROVIDER", "exoscale")
    assert "no deployments in project" in di(*args).err


@pytest.mark.parametrize(
    ("args", "supported_by"),
    [
        (("sizes",), "digitalocean"),
        (("accelerators", "x"), "digitalocean"),
        (("ca", "x"), "digitalocean"),
        (("tokens", "list", "x"), "digitalocean"),
        (("models",), "digitalocean or exoscale"),
    ],
)
def test_commands_that_gcore_does_not_support(
    gcore: ProviderCLI, args: tuple[str, ...], supported_by: str
) -> None:
    """The usage error names the providers that support the command."""
    result = gcore(*args)
    assert result.code == 2
    assert f"only for --provider {supported_by}, not gcore: " in result.err
    assert "`di-async " in result.err.partition("not gcore: ")[2]


@pytest.mark.parametrize("command", ["start", "stop", "logs"])
def test_commands_that_digitalocean_does_not_support(di: Di, command: str) -> None:
    """The usage error comes before any request."""
    result = di(command, "unknown")
    assert result.code == 2
    assert f"`di-async {command}` is only for --provider " in result.err
    assert "`di-async " in result.err.partition("not digitalocean: ")[2]


@pytest.mark.parametrize(
    ("provider", "args", "unsupported"),
    [
        ("exoscale", ("create", "--name", "x", "--vpc", "y", "--private"), "--private, --vpc"),
        ("gcore", ("create", "--name", "x", "--model", "y"), "--model"),
        ("gcore", ("update", "x", "--name", "y"), "--name"),
        ("gcore-v2", ("update", "x", "--name", "y", "--ready-timeout", "5"), "--ready-timeout"),
        ("digitalocean", ("scale", "x", "2", "--region", "7"), "--region"),
    ],
)
def test_unsupported_options(
    di: Di, provider: str, args: tuple[str, ...], unsupported: str
) -> None:
    """Options that the provider does not support are refused, not ignored."""
    result = di("--provider", provider, *args)
    assert result.code == 2
    assert f"error: {unsupported} " in result.err
    assert f"not supported by `{args[0]}` with --provider {provider}" in result.err


# -- Exoscale --------------------------------------------------------------------------------------


def test_zones_are_separate(exo: ProviderCLI, di_emulator: Emulator) -> None:
    """A list shows one zone; a scan reads all zones."""
    di_emulator.add_exoscale_deployment(name="far", zone="at-vie-1")
    assert exo("list", "-o", "json").json == []
    assert [row["name"] for row in exo("list", "--zone", "at-vie-1", "-o", "json").json] == ["far"]
    assert exo("scan", "-o", "json").json["by_region"] == {"at-vie-1": 1}
    assert exo("scan", "--region", "ch-gva-2", "-o", "json").json["rows"] == []


def test_public_deployments_are_left_out(exo: ProviderCLI, di_emulator: Emulator) -> None:
    """Deployments that Exoscale offers to everyone are not listed."""
    di_emulator.add_exoscale_deployment(name="theirs", visibility="public")
    assert exo("list", "-o", "json").json == []


def test_models_of_a_zone(exo: ProviderCLI, di_emulator: Emulator) -> None:
    """`models` shows name and state; an empty zone gets a message."""
    assert "no models in ch-gva-2" in exo("models").err
    di_emulator.add_exoscale_model(name=EXO_MODEL)
    assert exo("models").out.splitlines()[1].split()[:3] == [EXO_MODEL, "ready", "14.5"]


def test_create_without_a_ready_model(exo: ProviderCLI) -> None:
    """The API's message is followed by the command that lists models."""
    result = exo("create", "--name", "x", "--model", EXO_MODEL, "--gpu", EXO_GPU)
    assert result.code == 1
    assert "`di-async --provider exoscale models`" in result.err


def test_create_with_missing_options(exo: ProviderCLI) -> None:
    """The missing options are named."""
    result = exo("create", "--name", "x")
    assert result.code == 2
    assert "missing: --model, --gpu" in result.err


def test_no_capacity(exo: ProviderCLI, di_emulator: Emulator) -> None:
    """A 412 gets a hint to try fewer GPUs or another zone."""
    di_emulator.fault("no_capacity", on="POST /v2/ai/deployment", region="ch-gva-2")
    result = exo.create("first")
    assert result.code == 1
    assert "412" in result.err
    assert "or another zone" in result.err


def test_create_from_a_file(exo: ProviderCLI, di_emulator: Emulator, tmp_path: Path) -> None:
    """A YAML spec is accepted, and options override it."""
    di_emulator.add_exoscale_model(name=EXO_MODEL)
    text = f"model: {{name: {EXO_MODEL}}}\ngpu-type: {EXO_GPU}\nname: x\nreplicas: 3\n"
    file = write_file(tmp_path / "spec.yaml", text)
    made = exo("create", "--spec", file, "--name", "y", "--scale", "2", "-o", "json").json
    assert (made["deployment"]["name"], made["deployment"]["replicas"]) == ("y", 2)


def test_update_of_the_engine(exo: ProviderCLI) -> None:
    """An empty list is sent; fields that cannot be updated are named before any request."""
    exo.place("first")
    changed = exo(
        "update", "first", "--spec", "-", "-o", "json",
        input='{"inference-engine-parameters": ["--max-model-len=4096"]}',
    )  # fmt: skip
    assert changed.json["deployment"]["inference_engine_parameters"] == ["--max-model-len=4096"]
    refused = exo("update", "first", "--spec", "-", input='{"gpu-type": "x", "replicas": 2}')
    assert refused.code == 2
    assert "gpu_type, replicas: cannot be updated" in refused.err


def test_scale_to_zero(exo: ProviderCLI) -> None:
    """0 replicas are allowed."""
    exo.place("first")
    assert exo("scale", "first", "0", "-o", "json").json["deployment"]["replicas"] == 0


def test_digitalocean_refuses_scale_to_zero(di: Di, di_emulator: Emulator) -> None:
    """0 is refused before any request."""
    di_emulator.add_instance(name="first")
    result = di("scale", "first", "0")
    assert result.code == 2
    assert "use `di-async delete`" in result.err
    assert di_emulator.stats.total == 0


def test_logs_at_exoscale(exo: ProviderCLI) -> None:
    """Lines have times; documents hold every line."""
    exo.place("first")
    lines = exo("logs", "first").out.splitlines()
    assert lines
    assert all(" UTC  " in line for line in lines)
    assert len(exo("logs", "first", "-o", "json").json) == len(lines)


def test_ambiguous_name(exo: ProviderCLI) -> None:
    """The error lists the ids, and nothing is deleted."""
    one, two = exo.place("same"), exo.place("same")
    result = exo("delete", "same", "--force")
    assert result.code == 1
    assert one in result.err
    assert two in result.err
    assert len(exo("list", "-o", "json").json) == 2


def test_failed_create_points_to_the_logs(exo: ProviderCLI, di_emulator: Emulator) -> None:
    """The error holds the command lines for the logs and the delete."""
    di_emulator.fault("error", on="POST /v2/ai/deployment")
    result = exo.create("first")
    assert result.code == 1
    id = result.out.split()[1]
    assert f"Check the logs: `di-async --provider exoscale logs {id}`" in result.err
    assert f"Delete it: di-async --provider exoscale delete {id}" in result.err


# -- Gcore -----------------------------------------------------------------------------------------


def test_stop_and_start(gcore: ProviderCLI) -> None:
    """Both changes are confirmed."""
    gcore.place("first")
    assert gcore.status(gcore("stop", "first", "-o", "json").json) == "DISABLED"
    assert gcore.status(gcore("start", "first", "-o", "json").json) == "ACTIVE"


def test_logs_at_gcore(gcore: ProviderCLI) -> None:
    """The newest line is last, and `--tail` limits the number of lines."""
    assert gcore.create("first").code == 0
    lines = gcore("logs", "first").out.splitlines()
    assert lines == sorted(lines, key=lambda line: line[:19])
    assert gcore("logs", "first", "--tail", "1").out.splitlines() == lines[-1:]


def test_scale_to_zero_is_settled(gcore: ProviderCLI) -> None:
    """The minimum becomes 0, and the maximum is kept."""
    gcore.place("first")
    document = gcore("scale", "first", "0", "-o", "json").json
    assert gcore.status(document) == "PENDING"
    assert document["inference_deployment"]["containers"][0]["scale"]["max"] == 1


def test_scale_in_one_of_several_regions(gcore: ProviderCLI) -> None:
    """`--region` is required, and other regions keep their replicas."""
    regions = [{"region_id": r, "scale": {"min": 1, "max": 1}} for r in (1, 7)]
    spec = json.dumps(gcore_spec(containers=regions))
    assert gcore("create", "--spec", "-", "--name", "first", input=spec).code == 0
    refused = gcore("scale", "first", "2")
    assert refused.code == 2
    assert "--region, one of 1, 7" in refused.err
    document = gcore("scale", "first", "2", "--region", "7", "-o", "json").json
    scales = [c["scale"]["min"] for c in document["inference_deployment"]["containers"]]
    assert scales == [1, 2]


def test_list_by_region(gcore: ProviderCLI, di_emulator: Emulator) -> None:
    """`--region` is the number of a Gcore region."""
    di_emulator.add_gcore_deployment(name="in-seven", region_id=7)
    di_emulator.add_gcore_deployment(name="in-one", region_id=1)
    assert [row["name"] for row in gcore("list", "--region", "1", "-o", "json").json] == ["in-one"]


def test_public_endpoint_without_keys_needs_an_option(gcore: ProviderCLI) -> None:
    """A spec without API keys is a usage error without `--open-to-world`."""
    spec = json.dumps(gcore_spec(api_keys=[]))
    args = ("create", "--spec", "-", "--name", "first")
    refused = gcore(*args, input=spec)
    assert refused.code == 2
    assert "--open-to-world" in refused.err
    assert gcore(*args, "--open-to-world", input=spec).code == 0


def test_environment_variables_are_masked(gcore: ProviderCLI) -> None:
    """Documents hold the names of the container's variables but not their values."""
    spec = json.dumps(gcore_spec(envs={"TOKEN": "planted-0123456789"}))
    made = gcore("create", "--spec", "-", "--name", "first", "-o", "json", "-vv", input=spec)
    assert list(made.json["inference_deployment"]["envs"]) == ["TOKEN"]
    assert "planted" not in made.out + made.err


def test_gcore_create_needs_a_spec_file(gcore: ProviderCLI) -> None:
    """A create without a file is a usage error."""
    result = gcore("create", "--name", "first")
    assert result.code == 2
    assert "use --spec FILE" in result.err


def test_no_credential_is_printed(cloud: ProviderCLI) -> None:
    """No command prints a credential, even with -vv and --debug."""
    output = ""
    for args in (("list",), ("get", ABSENT), ("get", "unknown"), ("scan",), ("list", "-o", "json")):
        result = cloud(*args, "-vv", "--debug")
        output += result.out + result.err
    emu = cloud.emu
    assert "debug:" in output
    for secret in (emu.token, emu.exoscale_api_secret, emu.gcore_api_key):
        assert secret not in output
