"""How commands find the resource that a user means, and what they say if there is none."""

import pytest

from di_async.emulator import Emulator
from tests.cli.clouds import ProviderCLI
from tests.cli.helpers import ABSENT, EASY, Di

HEX = "deadbeefdeadbeefdeadbeefdeadbeef"
LIKE_AN_ID = "11111111-1111-4111-8111-111111111111"


@pytest.mark.parametrize("provider", ["digitalocean", "exoscale", "gcore-v2"])
@pytest.mark.parametrize("name", [HEX, LIKE_AN_ID, HEX[:8]])
def test_name_that_looks_like_an_id(
    di: Di, di_emulator: Emulator, provider: str, name: str
) -> None:
    """A resource of that name is found and deleted; no id is made of its name."""
    if provider == "gcore-v2" and len(name) > 30:
        pytest.skip("names have at most 30 characters")
    cloud = ProviderCLI(di, di_emulator, provider)
    id, other = cloud.place(name), cloud.place("other")
    assert id in cloud("get", name, "-o", "json").out
    assert cloud("delete", name, "--force").code == 0
    left = cloud("list", "-o", "json").out
    assert id not in left
    assert other in left


@pytest.mark.parametrize("provider", ["digitalocean", "exoscale", "gcore-v2"])
def test_beginning_of_an_id(di: Di, di_emulator: Emulator, provider: str) -> None:
    """The eight characters that progress lines show are enough; fewer are not."""
    cloud = ProviderCLI(di, di_emulator, provider)
    id = cloud.place("web1")
    assert id in cloud("get", id[:8], "-o", "json").out
    assert id in cloud("get", id[:20].upper(), "-o", "json").out
    assert cloud("get", id[:7]).code == 1


@pytest.mark.parametrize("provider", ["digitalocean", "exoscale", "gcore", "gcore-v2"])
@pytest.mark.parametrize("ref", ["", " ", ".", "..", "/"])
def test_empty_arguments(di: Di, di_emulator: Emulator, provider: str, ref: str) -> None:
    """An empty variable of a script never deletes anything, and is an error."""
    cloud = ProviderCLI(di, di_emulator, provider)
    id = cloud.place("web1")
    result = cloud("delete", ref, "--force")
    assert result.code in ({2} if not ref.strip() else {0, 1, 2})
    assert id in cloud("list", "-o", "json").out


def test_did_you_mean(di: Di, di_emulator: Emulator) -> None:
    """A close name is suggested."""
    di_emulator.add_instance(name="demo-llm")
    result = di("get", "demo-lm")
    assert result.code == 1
    assert "no instance named 'demo-lm' in this team" in result.err
    assert "Did you mean 'demo-llm'?" in result.err


def test_absent_id(di: Di) -> None:
    """An id that does not exist is refused by the API, not by a guess about names."""
    assert "404" in di("get", ABSENT).err
    gone = di("delete", ABSENT, "--force")
    assert gone.code == 0


def test_token_by_name(di: Di, di_emulator: Emulator) -> None:
    """Tokens are revoked by name, too; an unknown one names the command that lists them."""
    instance = di_emulator.add_instance(name="web")
    token = di_emulator.add_token(instance.id, name="ci")
    wrong = di("tokens", "revoke", "web", "cy")
    assert wrong.code == 1
    assert "`di-async tokens list web`" in wrong.err
    assert token.id in di("tokens", "list", "web", "-o", "json").out
    assert di("tokens", "revoke", "web", "ci").code == 0
    assert token.id not in di("tokens", "list", "web", "-o", "json").out


def test_wait_for_what_is_gone(di: Di) -> None:
    """`wait NAME --for deleted` succeeds with a warning if there is no such name."""
    result = di("wait", "nightly", "--for", "deleted")
    assert (result.code, result.out) == (0, "")
    assert "warning: no instance named 'nightly'" in result.err
    document = di("wait", "nightly", "--for", "deleted", "-o", "json").json
    assert document["outcome"] == "settled"
    assert di("wait", "nightly").code == 1


def test_nothing_in_progress(di: Di, di_emulator: Emulator) -> None:
    """`wait --all` without changes prints one line, or an empty document."""
    di_emulator.add_instance(name="web")
    assert di("wait", "--all").err.splitlines() == ["no changes in progress"]
    assert di("wait", "--all", "-o", "json").json == []


def test_unknown_region(di: Di) -> None:
    """An empty list of a region names the regions that there are."""
    assert "no instances in region mars1 (regions: atl1" in di("list", "--region", "mars1").err


@pytest.mark.parametrize("words", ["scan", "wait --all", "hardware", "hardware --all"])
def test_unknown_region_elsewhere(di: Di, words: str) -> None:
    """Wherever nothing is found in a region that is not known, the known ones are named."""
    assert "(regions: atl1, nyc2, tor1)" in di(*words.split(), "--region", "mars1").err


@pytest.mark.parametrize("words", ["list", "scan", "wait --all"])
def test_empty_region(di: Di, words: str) -> None:
    """A region that is known and empty needs no hint."""
    assert "regions: atl1" not in di(*words.split(), "--region", "nyc2").err


def test_unknown_region_of_gcore(di: Di, di_emulator: Emulator) -> None:
    """Gcore's regions are named by their ids."""
    result = di("--provider", "gcore", "list", "--region", "99")
    assert "no deployments in region 99 (regions: 1" in result.err


@pytest.mark.parametrize("provider", ["exoscale", "gcore", "gcore-v2"])
def test_scale_to_what_it_has_elsewhere(di: Di, di_emulator: Emulator, provider: str) -> None:
    """Nothing is sent if the deployment is ready with that many replicas."""
    cloud = ProviderCLI(di, di_emulator, provider)
    cloud.place("first")
    assert cloud("scale", "first", "2").code == 0
    writes = [one for one in di_emulator.world.requests if one[1] in ("PATCH", "PUT", "POST")]
    result = cloud("scale", "first", "2")
    assert result.code == 0
    assert "has 2 already: nothing was sent" in result.err
    after = [one for one in di_emulator.world.requests if one[1] in ("PATCH", "PUT", "POST")]
    priced = [one for one in after[len(writes) :] if "pricing" not in one[2]]
    assert priced == []


def test_scale_to_what_it_has(di: Di, di_emulator: Emulator) -> None:
    """Nothing is sent if the instance has that many GPUs; it would be rolled out again."""
    assert di("create", *EASY).code == 0
    before = di("get", "web", "-o", "json").json["spec"]["version"]
    result = di("scale", "web", "1")
    assert result.code == 0
    assert "has 1 already: nothing was sent" in result.err
    assert di("get", "web", "-o", "json").json["spec"]["version"] == before


@pytest.mark.parametrize(
    ("command", "options"),
    [
        ("demo", ("-o", "json")),
        ("demo", ("--provider", "gcore")),
        ("emulate", ("--provider", "gcore")),
        ("emulate", ("--zone", "ch-gva-2")),
        ("emulate", ("--base-url", "http://127.0.0.1:1")),
    ],
)
def test_options_that_the_emulator_does_not_use(
    di: Di, command: str, options: tuple[str, ...]
) -> None:
    """They are refused, not ignored."""
    result = di(command, *options)
    assert result.code == 2
    assert f"`{command}` does not use --" in result.err


def test_another_api(di: Di, di_emulator: Emulator) -> None:
    """A list that is not found is explained by the base URL."""
    result = di("list", "--base-url", f"{di_emulator.url}/zones")
    assert result.code == 1
    assert "Check --base-url (DI_ASYNC_BASE_URL)" in result.err
    result = di("list", "--base-url", f"{di_emulator.url}/v2")
    assert result.code == 2
    assert "--base-url ends in /v2" in result.err


def test_create_a_model(di: Di, di_emulator: Emulator) -> None:
    """Exoscale's models can be downloaded from the command line."""
    exo = ("--provider", "exoscale")
    made = di(*exo, "models", "create", "mistralai/Mistral-7B-Instruct-v0.3", "-o", "json")
    assert made.code == 0, made.err
    assert made.json["state"] == "ready"
    assert made.json["id"] in di(*exo, "models", "-o", "json").out
    assert di("models", "create", "x").code == 2
    assert di(*exo, "models", "create").code == 2


def test_end_of_a_sentence(di: Di, di_emulator: Emulator) -> None:
    """The suggestion and the list are two sentences."""
    di_emulator.add_instance(name="demo-llm")
    assert "Did you mean 'demo-llm'? `di-async list` lists all" in di("get", "demo-lm").err
