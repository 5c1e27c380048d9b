"""The access tokens of an endpoint."""

from pathlib import Path

from di_async.emulator import Emulator
from tests.cli.helpers import Di


def test_a_new_token_is_shown_once(di: Di, di_emulator: Emulator) -> None:
    """The value is on stdout when it is made, and in no list."""
    placed = di_emulator.add_instance(name="web")
    made = di("tokens", "create", "web", "ci", "-o", "json").json
    assert (
        di_emulator.world.serve(
            0, "GET", "/v1/models", {"authorization": f"Bearer {made['value']}"}
        ).status
        == 200
    )
    listed = di("tokens", "list", placed.id, "-o", "json")
    assert "ci" in {token["name"] for token in listed.json}
    assert made["value"] not in listed.out + di("tokens", "list", "web").out


def test_a_token_as_table(di: Di, di_emulator: Emulator) -> None:
    """People see name, id and value."""
    di_emulator.add_instance(name="web")
    lines = di("tokens", "create", "web", "ci").out.splitlines()
    assert [line.split()[0] for line in lines] == ["name", "id", "value"]


def test_a_token_into_a_file(di: Di, di_emulator: Emulator, tmp_path: Path) -> None:
    """`--token-out` keeps the value off the screen, in a file of its owner alone."""
    di_emulator.add_instance(name="web")
    out = tmp_path / "token"
    called = di("tokens", "create", "web", "ci", "--token-out", str(out), "-o", "json")
    value = out.read_text().strip()
    assert value
    assert value not in called.out + called.err
    assert out.stat().st_mode & 0o077 == 0


def test_revoke(di: Di, di_emulator: Emulator) -> None:
    """A revoked token is gone from the list; revoking it again fails."""
    placed = di_emulator.add_instance(name="web")
    token = di_emulator.add_token(placed.id)
    assert di("tokens", "revoke", "web", token.id).code == 0
    assert token.id not in di("tokens", "list", "web").out
    assert di("tokens", "revoke", "web", token.id).code == 1


def test_revoke_as_document(di: Di, di_emulator: Emulator) -> None:
    """Programs get a document from every command."""
    placed = di_emulator.add_instance(name="web")
    token = di_emulator.add_token(placed.id)
    told = di("tokens", "revoke", "web", token.id, "-o", "json").json
    assert told == {"id": token.id, "revoked": True}


def test_no_tokens(di: Di, di_emulator: Emulator) -> None:
    """An empty list says so."""
    placed = di_emulator.add_instance(name="web")
    for token in di("tokens", "list", placed.id, "-o", "json").json:
        di("tokens", "revoke", placed.id, token["id"])
    assert "no tokens" in di("tokens", "list", placed.id).err
