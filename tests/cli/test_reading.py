"""Commands that read."""

import ssl
from decimal import Decimal
from pathlib import Path

import pytest

from di_async.emulator import Emulator
from tests.cli.helpers import ABSENT, Di


def test_list_as_table(di: Di, di_emulator: Emulator) -> None:
    """A pipe gets a title line and one line per instance, never truncated."""
    one, two = di_emulator.add_instance(name="one"), di_emulator.add_instance(name="two")
    result = di("list")
    lines = result.out.splitlines()
    assert result.code == 0
    assert lines[0].split() == ["NAME", "STATUS", "REGION", "ID", "ENDPOINT", "CREATED"]
    assert [line.split()[3] for line in lines[1:]] == [one.id, two.id]


@pytest.mark.parametrize("form", ["json", "yaml"])
def test_list_as_document(di: Di, di_emulator: Emulator, form: str) -> None:
    """Documents hold every field, with times in ISO 8601."""
    di_emulator.add_instance(name="one")
    (row,) = getattr(di("list", "--output", form), form)
    assert row["spec"]["model_deployments"][0]["accelerators"][0]["scale"] == 1
    assert row["created_at"].endswith("+00:00")


@pytest.mark.parametrize("option", [("--name", "two"), ("--region", "tor1")])
def test_list_filters(di: Di, di_emulator: Emulator, option: tuple[str, str]) -> None:
    """`--name` and `--region` filter the list."""
    di_emulator.add_instance(name="one", region="atl1")
    di_emulator.add_instance(name="two", region="tor1")
    assert [row["name"] for row in di("list", *option, "-o", "json").json] == ["two"]


def test_empty_list(di: Di) -> None:
    """The message is on stderr, and stdout is empty."""
    result = di("list")
    assert (result.code, result.out) == (0, "")
    assert "no instances in this team" in result.err
    assert di("list", "-o", "json").json == []


def test_shared_options_before_the_command(di: Di) -> None:
    """`di-async -o json list` equals `di-async list -o json`."""
    assert di("-o", "json", "list").json == []


@pytest.mark.parametrize("by", ["id", "name"])
def test_get_by_id_or_name(di: Di, di_emulator: Emulator, by: str) -> None:
    """An instance is found by id and by name."""
    instance = di_emulator.add_instance(name="web")
    found = di("get", getattr(instance, by), "-o", "json").json
    assert (found["id"], found["name"]) == (instance.id, "web")


def test_get_as_table(di: Di, di_emulator: Emulator) -> None:
    """Fields are listed line by line, with the pending spec."""
    di_emulator.add_instance(name="web", status="updating", settles_in=1e9)
    result = di("get", "web")
    fields = dict(line.split("  ", 1) for line in result.out.splitlines())
    assert fields["status"].strip() == "updating"
    assert "pending model" in fields
    assert "1 x gpu-mi300x1-192gb" in result.out


def test_unknown_name(di: Di) -> None:
    """Exit code 1 and a message that names the team."""
    result = di("get", "unknown")
    assert (result.code, result.out) == (1, "")
    assert "no instance named 'unknown' in this team" in result.err


def test_unknown_id(di: Di) -> None:
    """Exit code 1, the API's message, and a hint at the team."""
    result = di("get", ABSENT)
    assert result.code == 1
    assert "404 not_found" in result.err
    assert "another team" in result.err


def test_accelerators(di: Di, di_emulator: Emulator) -> None:
    """GPUs are listed in all formats and can be filtered by size."""
    di_emulator.add_instance(name="web", scale=2)
    assert len(di("accelerators", "web").out.splitlines()) == 3
    assert len(di("accelerators", "web", "-o", "yaml").yaml) == 2
    narrowed = di("accelerators", "web", "--gpu", "gpu-h100x1-80gb")
    assert "no accelerators of size gpu-h100x1-80gb" in narrowed.err


def test_ca_prints_pem(di: Di, di_emulator: Emulator) -> None:
    """Stdout holds only the certificate."""
    di_emulator.add_instance(name="web")
    pem = di("ca", "web").out
    ssl.create_default_context(cadata=pem)
    assert pem == di_emulator.ca_pem
    assert di("ca", "web", "-o", "json").json == {"pem": pem}


def test_ca_into_a_file(di: Di, di_emulator: Emulator, tmp_path: Path) -> None:
    """`--out` writes a new file and never overwrites one."""
    di_emulator.add_instance(name="web")
    out = tmp_path / "ca.pem"
    assert di("ca", "web", "--out", str(out)).out == ""
    assert out.read_text() == di_emulator.ca_pem
    assert di("ca", "web", "--out", str(out)).code == 2


def test_failed_ca_leaves_no_file(di: Di, tmp_path: Path) -> None:
    """The new file is removed."""
    assert di("ca", ABSENT, "--out", str(tmp_path / "ca.pem")).code == 1
    assert list(tmp_path.iterdir()) == []


def test_sizes(di: Di) -> None:
    """A table has one row per price; documents hold exact decimals."""
    result = di("sizes")
    assert [
        line
        for line in result.out.splitlines()
        if line.split()[1:] == ["2.59", "USD", "atl1,nyc2,tor1"]
    ]
    assert "enabled regions: atl1, nyc2, tor1" in result.err
    prices = {size["price_per_hour"] for size in di("sizes", "-o", "json").json["sizes"]}
    assert {Decimal(price) for price in prices} >= {Decimal("2.59")}


def test_models(di: Di) -> None:
    """Models are listed with their GPUs, and gated ones are marked."""
    gated = [line.split()[0] for line in di("models").out.splitlines() if " yes " in line]
    assert gated == ["meta-llama/Llama-3.1-8B-Instruct"]
    assert di("models", "-o", "yaml").yaml[0]["gpu_slugs"]
