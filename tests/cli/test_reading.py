"""Commands that only look."""

import ssl
from decimal import Decimal
from pathlib import Path

import pytest

from di_async.emulator import Emulator
from tests.cli.helpers import ABSENT, Di


def test_list_as_table_has_a_line_for_each_instance(di: Di, di_emulator: Emulator) -> None:
    """A pipe gets a title line and one uncut line an instance."""
    one, two = di_emulator.add_instance(name="one"), di_emulator.add_instance(name="two")
    called = di("list")
    lines = called.out.splitlines()
    assert called.code == 0
    assert lines[0].split() == ["NAME", "STATUS", "REGION", "ID", "ENDPOINT", "CREATED"]
    assert [line.split()[3] for line in lines[1:]] == [one.id, two.id]


@pytest.mark.parametrize("form", ["json", "yaml"])
def test_list_as_document_is_complete(di: Di, di_emulator: Emulator, form: str) -> None:
    """Programs get every field, times in ISO 8601."""
    di_emulator.add_instance(name="one")
    (row,) = getattr(di("list", "--output", form), form)
    assert row["spec"]["model_deployments"][0]["accelerators"][0]["scale"] == 1
    assert row["created_at"].endswith("+00:00")


@pytest.mark.parametrize("option", [("--name", "two"), ("--region", "tor1")])
def test_list_filters(di: Di, di_emulator: Emulator, option: tuple[str, str]) -> None:
    """`--name` and `--region` narrow the list."""
    di_emulator.add_instance(name="one", region="atl1")
    di_emulator.add_instance(name="two", region="tor1")
    assert [row["name"] for row in di("list", *option, "-o", "json").json] == ["two"]


def test_empty_list_says_so_beside_stdout(di: Di) -> None:
    """Nothing is on stdout where there is nothing; a person is told."""
    called = di("list")
    assert (called.code, called.out) == (0, "")
    assert "no instances in this team" in called.err
    assert di("list", "-o", "json").json == []


def test_shared_options_may_stand_before_the_command(di: Di) -> None:
    """`di-async -o json list` is `di-async list -o json`."""
    assert di("-o", "json", "list").json == []


@pytest.mark.parametrize("by", ["id", "name"])
def test_get_by_id_or_name(di: Di, di_emulator: Emulator, by: str) -> None:
    """An instance is found under its id as under its name."""
    placed = di_emulator.add_instance(name="web")
    found = di("get", getattr(placed, by), "-o", "json").json
    assert (found["id"], found["name"]) == (placed.id, "web")


def test_get_as_table_tells_model_and_endpoint(di: Di, di_emulator: Emulator) -> None:
    """One instance is told field by field, its pending spec too."""
    di_emulator.add_instance(name="web", status="updating", settles_in=1e9)
    called = di("get", "web")
    told = dict(line.split("  ", 1) for line in called.out.splitlines())
    assert told["status"].strip() == "updating"
    assert "pending model" in told
    assert "1 x gpu-mi300x1-192gb" in called.out


def test_unknown_name_is_an_error_that_says_so(di: Di) -> None:
    """A name that nobody bears: exit code 1, and where to look."""
    called = di("get", "nobody")
    assert (called.code, called.out) == (1, "")
    assert "no instances named 'nobody' in this team" in called.err


def test_unknown_id_is_an_error_with_a_hint(di: Di) -> None:
    """An id that is not there: exit code 1, the API's words, and that the team may be wrong."""
    called = di("get", ABSENT)
    assert called.code == 1
    assert "404 not_found" in called.err
    assert "another team" in called.err


def test_accelerators(di: Di, di_emulator: Emulator) -> None:
    """GPUs come as table and document, and can be narrowed to a size."""
    di_emulator.add_instance(name="web", scale=2)
    assert len(di("accelerators", "web").out.splitlines()) == 3
    assert len(di("accelerators", "web", "-o", "yaml").yaml) == 2
    narrowed = di("accelerators", "web", "--gpu", "gpu-h100x1-80gb")
    assert "no accelerators of size gpu-h100x1-80gb" in narrowed.err


def test_ca_prints_pem(di: Di, di_emulator: Emulator) -> None:
    """Stdout is the certificate and nothing else."""
    di_emulator.add_instance(name="web")
    pem = di("ca", "web").out
    ssl.create_default_context(cadata=pem)
    assert pem == di_emulator.ca_pem
    assert di("ca", "web", "-o", "json").json == {"pem": pem}


def test_ca_into_a_file(di: Di, di_emulator: Emulator, tmp_path: Path) -> None:
    """`--out` writes a new file and never over an old one."""
    di_emulator.add_instance(name="web")
    out = tmp_path / "ca.pem"
    assert di("ca", "web", "--out", str(out)).out == ""
    assert out.read_text() == di_emulator.ca_pem
    assert di("ca", "web", "--out", str(out)).code == 2


def test_ca_that_is_not_there_leaves_no_file(di: Di, tmp_path: Path) -> None:
    """A failed look leaves no empty file behind."""
    assert di("ca", ABSENT, "--out", str(tmp_path / "ca.pem")).code == 1
    assert list(tmp_path.iterdir()) == []


def test_sizes(di: Di) -> None:
    """A price is one row for people; for programs it is exact text."""
    called = di("sizes")
    assert [
        line
        for line in called.out.splitlines()
        if line.split()[1:] == ["2.59", "USD", "atl1,nyc2,tor1"]
    ]
    assert "enabled regions: atl1, nyc2, tor1" in called.err
    prices = {size["price_per_hour"] for size in di("sizes", "-o", "json").json["sizes"]}
    assert {Decimal(price) for price in prices} >= {Decimal("2.59")}


def test_models(di: Di) -> None:
    """Models come with their GPUs, and gated ones are marked."""
    gated = [line.split()[0] for line in di("models").out.splitlines() if " yes " in line]
    assert gated == ["meta-llama/Llama-3.1-8B-Instruct"]
    assert di("models", "-o", "yaml").yaml[0]["gpu_slugs"]
