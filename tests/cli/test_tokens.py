"""Commands for the access tokens of an endpoint."""

from pathlib import Path

from di_async.emulator import Emulator
from tests.cli.helpers import Di


def test_new_token_is_shown_once(di: Di, di_emulator: Emulator) -> None:
    """Its value is on stdout when it is created, and in no list."""
    instance = di_emulator.add_instance(name="web")
    made = di("tokens", "create", "web", "ci", "-o", "json").json
    assert (
        di_emulator.world.serve(
            0, "GET", "/v1/models", {"authorization": f"Bearer {made['value']}"}
        ).status
        == 200
    )
    listed = di("tokens", "list", instance.id, "-o", "json")
    assert "ci" in {token["name"] for token in listed.json}
    assert made["value"] not in listed.out + di("tokens", "list", "web").out


def test_new_token_as_table(di: Di, di_emulator: Emulator) -> None:
    """The fields are name, id and value."""
    di_emulator.add_instance(name="web")
    lines = di("tokens", "create", "web", "ci").out.splitlines()
    assert [line.split()[0] for line in lines] == ["name", "id", "value"]


def test_new_token_in_a_file(di: Di, di_emulator: Emulator, tmp_path: Path) -> None:
    """`--token-out` writes the value to a private file and prints it nowhere."""
    di_emulator.add_instance(name="web")
    out = tmp_path / "token"
    result = di("tokens", "create", "web", "ci", "--token-out", str(out), "-o", "json")
    value = out.read_text().strip()
    assert value
    assert value not in result.out + result.err
    assert out.stat().st_mode & 0o077 == 0


def test_revoke(di: Di, di_emulator: Emulator) -> None:
    """A revoked token is not listed; a second revoke fails."""
    instance = di_emulator.add_instance(name="web")
    token = di_emulator.add_token(instance.id)
    assert di("tokens", "revoke", "web", token.id).code == 0
    assert token.id not in di("tokens", "list", "web").out
    assert di("tokens", "revoke", "web", token.id).code == 1


def test_revoke_as_document(di: Di, di_emulator: Emulator) -> None:
    """`-o json` prints a document."""
    instance = di_emulator.add_instance(name="web")
    token = di_emulator.add_token(instance.id)
    document = di("tokens", "revoke", "web", token.id, "-o", "json").json
    assert document == {"id": token.id, "revoked": True}


def test_no_tokens(di: Di, di_emulator: Emulator) -> None:
    """An empty list prints a message."""
    instance = di_emulator.add_instance(name="web")
    for token in di("tokens", "list", instance.id, "-o", "json").json:
        di("tokens", "revoke", instance.id, token["id"])
    assert "no tokens" in di("tokens", "list", instance.id).err


def test_reminder_to_store_a_new_token(di: Di, di_emulator: Emulator) -> None:
    """The user is reminded to store it."""
    di_emulator.add_instance(name="web")
    assert "Store the value now" in di("tokens", "create", "web", "ci").err
