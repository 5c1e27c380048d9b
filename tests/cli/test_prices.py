"""The hourly price before money is spent, its limit, and what can be deployed where."""

import json
from pathlib import Path
from typing import Any

import pytest

from di_async.cli.prices import PriceLimit
from di_async.core.errors import InvalidInputError
from di_async.emulator import Emulator
from tests.cli.clouds import EXO_GPU, EXO_MODEL, ProviderCLI, gcore_spec
from tests.cli.helpers import EASY, GPU, MODEL, Di

# Gcore's prices are those of the maximum scale.
PRICED = {"digitalocean": "about", "gcore": "at most"}
UNPRICED = ("exoscale", "gcore-v2")


@pytest.mark.parametrize("provider", PRICED)
def test_create_prints_the_price_first(di: Di, di_emulator: Emulator, provider: str) -> None:
    """The price comes before anything else on stderr."""
    result = ProviderCLI(di, di_emulator, provider).create("chat", "--no-wait")
    first = result.err.splitlines()[0]
    assert (result.code, first.startswith(f"{PRICED[provider]} ")) == (0, True), result.err
    assert first.endswith("/h")


@pytest.mark.parametrize("provider", UNPRICED)
def test_create_says_that_no_price_is_known(di: Di, di_emulator: Emulator, provider: str) -> None:
    """Where the vendor shows no price, the command says so, and goes on without a limit."""
    result = ProviderCLI(di, di_emulator, provider).create("chat", "--no-wait")
    assert (result.code, result.err.splitlines()[0]) == (0, "price not known")


@pytest.mark.parametrize("provider", PRICED)
@pytest.mark.parametrize("limits", [("0.01",), ("0.01USD", "0.01EUR"), ("1000CHF",)])
def test_create_over_the_limit(
    di: Di, di_emulator: Emulator, provider: str, limits: tuple[str, ...]
) -> None:
    """A higher price, or one in a currency without a limit, creates nothing; exit code 2."""
    options = [word for limit in limits for word in ("--max-hourly", limit)]
    result = ProviderCLI(di, di_emulator, provider).create("chat", *options)
    assert (result.code, di_emulator.world.created["chat"]) == (2, 0)
    assert "--max-hourly" in result.err


@pytest.mark.parametrize("provider", PRICED)
@pytest.mark.parametrize("limits", [("1000",), ("1000usd", "1000 EUR"), ("0CHF", "1000")])
def test_create_within_the_limit(
    di: Di, di_emulator: Emulator, provider: str, limits: tuple[str, ...]
) -> None:
    """A bare amount is the limit of every currency that has no own one."""
    options = [word for limit in limits for word in ("--max-hourly", limit)]
    result = ProviderCLI(di, di_emulator, provider).create("chat", "--no-wait", *options)
    assert (result.code, di_emulator.world.created["chat"]) == (0, 1), result.err


@pytest.mark.parametrize("provider", UNPRICED)
def test_unknown_price_with_a_limit(di: Di, di_emulator: Emulator, provider: str) -> None:
    """An unknown price is refused, and the message names the option that allows it."""
    cloud = ProviderCLI(di, di_emulator, provider)
    result = cloud.create("chat", "--max-hourly", "10")
    assert (result.code, di_emulator.world.created["chat"]) == (2, 0)
    assert "--allow-unknown-price" in result.err
    result = cloud.create("chat", "--no-wait", "--max-hourly", "10", "--allow-unknown-price")
    assert result.code == 0


def test_price_that_cannot_be_read(di: Di, di_emulator: Emulator) -> None:
    """Without a limit, it is not known; with one, nothing is created."""
    di_emulator.fault("status", on="GET /v2/dedicated-inferences/sizes", times=None, status=500)
    result = di("create", *EASY, "--name", "chat", "--max-hourly", "100")
    assert (result.code, di_emulator.world.created["chat"]) == (1, 0)
    result = di("create", *EASY, "--name", "chat", "--no-wait")
    assert result.code == 0
    assert "the price could not be read" in result.err
    assert "price not known" in result.err


@pytest.mark.parametrize("text", ["", "ten", "-1", "1e3", "10 dollars", "USD10", "nan", "\u0661"])
def test_malformed_limit(text: str) -> None:
    """Only an amount, and one with a currency code, are limits."""
    with pytest.raises(InvalidInputError, match="10USD"):
        PriceLimit.parse([text], allow_unknown=False)


def test_two_limits_of_one_currency() -> None:
    """It is not clear which is meant."""
    with pytest.raises(InvalidInputError, match="one amount of USD"):
        PriceLimit.parse(["1USD", "2usd"], allow_unknown=False)


@pytest.mark.parametrize("provider", PRICED)
def test_scale_prints_the_price_before_and_after(
    di: Di, di_emulator: Emulator, provider: str
) -> None:
    """A scale says both prices; a limit refuses a rise above it, and no decrease."""
    cloud = ProviderCLI(di, di_emulator, provider)
    cloud.place("chat")
    refused = cloud("scale", "chat", "2", "--max-hourly", "0.01")
    assert refused.code == 2
    result = cloud("scale", "chat", "2")
    assert result.code == 0
    line = next(one for one in result.err.splitlines() if one.startswith("before: "))
    word = PRICED[provider]
    assert line.startswith(f"before: {word} ")
    assert f"; after: {word} " in line
    assert cloud("scale", "chat", "1", "--max-hourly", "0.01").code == 0


@pytest.mark.parametrize("provider", [*PRICED, "exoscale"])
def test_hardware_lists_rows_whose_command_works(
    di: Di, di_emulator: Emulator, provider: str
) -> None:
    """The cheapest usable row comes first, and its command creates it."""
    import shlex

    model = {"digitalocean": MODEL, "exoscale": EXO_MODEL}.get(provider)
    if provider == "exoscale":
        di_emulator.add_exoscale_model(name=EXO_MODEL)
    cloud = ProviderCLI(di, di_emulator, provider)
    wanted = ("--model", model) if model else ()
    rows = cloud("hardware", *wanted, "-o", "json").json
    prices = [float(row["price"]["amount"]) for row in rows if row["price"]]
    assert rows
    assert prices == sorted(prices)
    assert all(row["command"] and row["reason"] is None for row in rows)
    words = [{"NAME": "chat", "FILE": "-"}.get(w, w) for w in shlex.split(rows[0]["command"])]
    created = di(*words[1:], "--no-wait", input=json.dumps(gcore_spec()))
    assert created.code == 0, created.err
    table = cloud("hardware", *wanted)
    assert f"Create the first: {rows[0]['command']}" in table.err


@pytest.mark.parametrize("provider", [*PRICED, "exoscale"])
def test_hardware_all_says_why_not(di: Di, di_emulator: Emulator, provider: str) -> None:
    """`--all` adds what cannot be deployed, with the reason, after what can."""
    cloud = ProviderCLI(di, di_emulator, provider)
    rows = cloud("hardware", "--all", "-o", "yaml").yaml
    reasons = [row["reason"] for row in rows]
    assert any(reasons)
    assert sorted(reasons, key=bool) == reasons
    assert all((row["command"] is None) == bool(row["reason"]) for row in rows)


def test_hardware_filters(di: Di, di_emulator: Emulator) -> None:
    """Region and GPU leave out other rows; nothing left is said on stderr."""
    rows = di("hardware", "--region", "atl1", "--gpu", GPU, "-o", "json").json
    assert [(row["region"], row["accelerator"]) for row in rows] == [("atl1", GPU)]
    assert "--all says why" in di("hardware", "--region", "atl1", "--gpu", "none").err
    assert "(regions: atl1" in di("hardware", "--region", "mars1").err


def test_hardware_of_a_model_that_is_not_in_the_catalog(di: Di, di_emulator: Emulator) -> None:
    """A typing error is a warning, and nothing is suggested that would create it."""
    result = di("hardware", "--model", "openai/gpt-oss-2b")
    assert (result.code, "Create the first" in result.err) == (0, False)
    assert "warning: the model 'openai/gpt-oss-2b' is not in the catalog" in result.err


def test_create_in_an_unknown_region_names_the_known_ones(di: Di, di_emulator: Emulator) -> None:
    """The reason comes before the API's refusal."""
    args = ("--name", "m", "--region", "mars", "--model", "openai/gpt-oss-20b", "--gpu", GPU)
    result = di("create", *args)
    first = result.err.splitlines()[0]
    assert first == "price not known: no region 'mars'; there are: atl1, nyc2, tor1"
    assert result.code == 1


def test_hardware_of_a_model_that_is_missing(di: Di, di_emulator: Emulator) -> None:
    """Exoscale: the reason is the command that downloads the model into the zone."""
    args = ("--provider", "exoscale", "hardware", "--model", EXO_MODEL, "--gpu", EXO_GPU, "--all")
    assert f"models create {EXO_MODEL}" in di(*args).out


def test_hardware_of_a_zone_that_cannot_be_read(di: Di, di_emulator: Emulator) -> None:
    """The others are listed, with exit code 1; documents and --all have the reason."""
    di_emulator.fault("status", on="GET /v2/ai/instance-type", region="at-vie-2", times=None)
    for options in ((), ("--all",), ("--gpu", EXO_GPU)):
        listed = di("--provider", "exoscale", "hardware", *options, "-o", "json")
        assert listed.code == 1
        assert "warning: zone at-vie-2 could not be read, and is left out: " in listed.err
        (unread,) = [row for row in listed.json if row["region"] == "at-vie-2"]
        assert unread["reason"].startswith("the zone could not be read: ")
        assert len(listed.json) > 1
    table = di("--provider", "exoscale", "hardware")
    assert (table.code, "at-vie-2" in table.out, "ch-gva-2" in table.out) == (1, False, True)
    di_emulator.fault("status", on="GET /v2/ai/instance-type", times=None)
    assert di("--provider", "exoscale", "hardware").code == 1


def test_hardware_with_a_price_that_cannot_be_read(di: Di, di_emulator: Emulator) -> None:
    """Gcore: the row is listed without a price, with a warning."""
    count = len(di("--provider", "gcore", "hardware", "-o", "json").json)
    di_emulator.fault("status", on="POST /cloud/v2/pricing/inference/deployments", status=422)
    listed = di("--provider", "gcore", "hardware", "-o", "json")
    assert (listed.code, len(listed.json)) == (0, count)
    assert [row["price"] for row in listed.json].count(None) == 1
    assert "warning: the price in region " in listed.err


def test_hardware_where_it_is_not_supported(di: Di, di_emulator: Emulator) -> None:
    """What a provider does not have is a usage error that names the reason."""
    assert di("--provider", "gcore-v2", "hardware").code == 2
    assert "image" in di("--provider", "gcore", "hardware", "--model", "x").err


def refused_by(cloud: ProviderCLI, command: str, gpu: str, tmp_path: Path) -> Any:
    """Call a command with a price limit for a deployment on a GPU; DigitalOcean's in `xx1`."""
    import yaml

    match cloud.provider:
        case "digitalocean":
            gpus = [{"accelerator_slug": gpu, "scale": 1, "type": "prefill_decode"}]
            model = {"model_slug": MODEL, "model_provider": "hugging_face", "accelerators": gpus}
            spec: dict[str, Any] = {"region": "xx1", "model_deployments": [model]}
        case "exoscale":
            spec = {"model": {"name": EXO_MODEL}, "gpu-type": gpu}
        case _:
            spec = gcore_spec(flavor_name=gpu)
    file = tmp_path / "spec.yaml"
    if command == "apply":
        entry = {"provider": cloud.provider, "name": "chat", "spec": spec}
        if cloud.provider == "exoscale":
            entry["region"] = "ch-gva-2"
        file.write_text(yaml.safe_dump({"fleet": "f", "deployments": [entry]}))
        return cloud.di("apply", str(file), "--max-hourly", "99", "--yes")
    file.write_text(yaml.safe_dump({"name": "chat", **spec}))
    rest = ("--", "true") if command == "run" else ()
    return cloud(command, "--spec", str(file), "--max-hourly", "99", *rest)


@pytest.mark.parametrize("command", ["create", "ensure", "run", "apply"])
@pytest.mark.parametrize(
    ("provider", "gpu", "known"),
    [
        ("digitalocean", "gpu-mi300", ("no region 'xx1'", "atl1, nyc2, tor1", "gpu-mi300x1-192gb")),
        ("exoscale", "gpua500", ("no GPU family 'gpua500' in zone 'ch-gva-2'", "gpua5000")),
        ("gcore", "inference-1xl40", ("inference-1xl40",)),
    ],
)
def test_what_is_not_on_offer_is_named(
    di: Di,
    di_emulator: Emulator,
    tmp_path: Path,
    provider: str,
    gpu: str,
    known: tuple[str, ...],
    command: str,
) -> None:
    """The error names the region or GPU and the known ones, and not the option to go on."""
    result = refused_by(ProviderCLI(di, di_emulator, provider), command, gpu, tmp_path)
    assert result.code != 0
    assert [word for word in known if word not in result.err] == [], result.err
    assert "allow" not in result.err
    assert "No request" not in result.err
    assert not di_emulator.world.created


@pytest.mark.parametrize("limit", [(), ("--max-hourly", "99", "--allow-unknown-price")])
def test_a_plan_names_what_is_not_on_offer(
    di: Di, di_emulator: Emulator, tmp_path: Path, limit: tuple[str, ...]
) -> None:
    """`apply --plan` is a check before a merge: an unknown region is named once, in JSON too."""
    gpus = [{"accelerator_slug": GPU, "scale": 1}]
    spec = {"model_deployments": [{"model_slug": MODEL, "accelerators": gpus}]}
    entry = {"provider": "digitalocean", "name": "chat", "region": "xx1", "spec": spec}
    file = tmp_path / "fleet.yaml"
    file.write_text(json.dumps({"fleet": "f", "deployments": [entry]}))
    plan = di("apply", "--plan", str(file), *limit)
    assert plan.code == (2 if limit else 0)
    assert plan.err.count("no region 'xx1'; there are: atl1, nyc2, tor1") == 1, plan.err
    if not limit:
        (problem,) = di("apply", "--plan", str(file), "-o", "json").json["not_on_offer"]
        assert "no region 'xx1'" in problem


def test_an_unknown_flavor_is_reported_once(di: Di, di_emulator: Emulator) -> None:
    """The price preview and the create are refused for the same reason."""
    cloud = ProviderCLI(di, di_emulator, "gcore")
    spec = json.dumps(gcore_spec(flavor_name="inference-none"))
    result = cloud("create", "--spec", "-", "--name", "chat", input=spec)
    lines = [line for line in result.err.splitlines() if "inference-none" in line]
    assert (result.code, len(lines)) == (1, 1), result.err
