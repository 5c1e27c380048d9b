"""Text from servers is shown without secrets, on one line, and short."""

import json
import time

import pytest

from di_async import Secret
from di_async.core.http import Request
from di_async.core.redaction import (
    MASK,
    SECRET_FIELDS,
    mask,
    masked,
    one_line,
    reason_without_secrets,
    redact,
    redact_reason,
    secret_texts,
    sent_secrets,
)
from di_async.exoscale import Deployment
from di_async.gcore import APIKey, InferenceDeployment


@pytest.mark.parametrize(
    "text",
    [
        '{"token": "PLANTED"}',
        "{'password': 'PLANTED'}",
        '{\\"access_token\\": \\"PLANTED\\"}',
        "password=PLANTED",
        "--api-key PLANTED",
        "['--api-key', 'PLANTED']",
        '"--hf-token","PLANTED"',
        "envs: {'A': 'PLANTED', 'B': 'x'}",
        '{"command": ["serve", "PLANTED"]}',
        "inference-engine-parameters: ['PLANTED']",
        "Authorization: Bearer PLANTED",
        "sent Bearer PLANTED",
        "http://user:PLANTED@proxy.test:3128 refused",
        "dop_v1_PLANTED1 was refused",
        "hf_PLANTED1 and do_dedicated_PLANTED1",
        "api_org_PLANTED1 has no access",
        "EXO2-HMAC-SHA256 expires=1,signature=PLANTED/+=",
        "key 123$PLANTED0123 expired",
    ],
)
def test_what_looks_like_a_secret_is_masked(text: str) -> None:
    """Values under names of secrets, options, vendors' tokens and URL credentials are masked."""
    assert "PLANTED" not in redact(text)
    assert MASK in redact(text)


@pytest.mark.parametrize(
    "text",
    [
        "token: is required",
        "the name 'chat' is taken",
        "region 1 has no capacity",
        "envs: must be a mapping",
        "GET /v2/dedicated-inferences/11111111-1111-4111-8111-111111111111",
    ],
)
def test_ordinary_messages_stay_readable(text: str) -> None:
    """A message about a field, a name or an id is not changed."""
    assert redact(text) == text


def test_a_secret_is_masked_however_it_is_written() -> None:
    """JSON escapes, URL quotes and single lines of a secret are masked, too."""
    secret = 'pä"ss\\word\nsecond-line'
    for written in (secret, json.dumps(secret), "second-line", "p%C3%A4%22ss%5Cword"):
        assert "word" not in redact(f"you sent {written}", [secret]), written
        assert "second" not in redact(f"you sent {written}", [secret]), written


def test_a_short_secret_is_masked_as_a_whole_word() -> None:
    """A short secret is masked where it stands alone, and not inside of words."""
    assert redact("pin 4711 and 14711x", ["4711"]) == f"pin {MASK} and 14711x"


def test_the_end_of_a_long_text_shows_no_part_of_a_secret() -> None:
    """A secret that is cut by the search limit is not shown in part."""
    for size in (20_000, 200_000):
        secret = "s3cret-" * (size // 7)
        assert "s3cret" not in redact("sent: " + secret * 3, [secret])


@pytest.mark.parametrize(
    "piece", ["-a", "a-", "token=", "token={", "x", "://a", 'token:"', '--token "', "1$", "Bearer "]
)
def test_masking_takes_bounded_time(piece: str) -> None:
    """No text takes longer than a fraction of a second, and the result is short."""
    text = piece * (4_000_000 // len(piece))
    started = time.process_time()
    assert len(redact(text)) < 600
    assert time.process_time() - started < 1


def test_the_longest_secret_is_masked_first() -> None:
    """Of two secrets, one of which contains the other, no part remains."""
    assert redact("a-b-c a", ["a", "a-b"]) == f"{MASK}-c {MASK}"


def test_secrets_of_a_request_are_those_under_known_fields() -> None:
    """Environment variables, commands, headers and tokens count; names and short words do not."""
    body = {
        "name": "chat",
        "envs": {"KEY": "planted-1", "DEBUG": "true", "N": "1"},
        "command": ["serve", "--api-key=planted-2"],
        "probes": {"readiness": {"http_get": {"headers": {"X": "planted-3"}}}},
        "huggingface-token": "planted-4",
        "access_tokens": {"hugging_face_token": "planted-5"},
        "inference-engine-parameters": ["planted-6"],
    }
    found = sent_secrets(Request("POST", "/x", body=json.dumps(body).encode()))
    assert {f"planted-{n}" for n in range(1, 7)} <= found
    assert not {"chat", "true", "1"} & found
    assert sent_secrets(Request("GET", "/x")) == set()
    assert {"envs", "command", "headers"} <= SECRET_FIELDS


def test_secrets_of_a_model_are_those_under_known_fields() -> None:
    """Models are searched like bodies, also under Python's names, and secret values are found."""
    gcore = InferenceDeployment(
        name="webs", envs={"KEY": "from envs"}, command=("serve", "--key=value"), image="plain"
    )
    assert secret_texts(gcore) == {"from envs", "serve", "--key=value", "value"}
    exoscale = Deployment(name="webs", inference_engine_parameters=("--x", "from parameters"))
    assert secret_texts(exoscale) == {"--x", "from parameters"}
    assert secret_texts(APIKey(name="mine", secret=Secret("one-time"))) == {"one-time"}
    assert secret_texts(None) == set()


def test_one_line_escapes_what_cannot_be_printed() -> None:
    """Line breaks, control and bidi characters and lone surrogates cannot forge or drive output."""
    shown = one_line("a\nCRITICAL: forged\x1b[2J\u202eb\u2028\ud83d")
    assert shown == "a\\nCRITICAL: forged\\x1b[2J\\u202eb\\u2028\\ud83d"
    assert shown.isprintable()
    assert one_line("x" * 1000) == "x" * 500 + "..."


def test_masked_reprs_show_names_and_lengths() -> None:
    """The repr of a secret field shows the names of a mapping and the length of a list."""
    assert masked({"A": "planted"}) == repr({"A": MASK})
    assert masked(["planted", "planted"]) == repr([MASK, MASK])
    assert masked("planted") == repr(MASK)
    assert masked(None) == "None"


def test_reasons_are_redacted() -> None:
    """A provider's reason is shown without secrets; none stays none."""
    assert redact_reason(None) is None
    assert redact_reason("envs: {'A': 'planted'}") == f"envs: {MASK}"
    assert mask("a\nb") == "a\nb"


@pytest.mark.parametrize("size", [493, 495, 498, 500, 510])
def test_cut_reason_shows_no_part_of_a_secret(size: int) -> None:
    """A secret at the end of a reason that was cut is masked, as far as it is shown."""
    reason = redact_reason("x" * size + "planted-secret" + "y" * 100)
    assert reason is not None
    shown = reason_without_secrets(reason, {"planted-secret", "planted", "other"})
    assert "pla" not in shown
    assert shown.endswith("...")
    assert reason_without_secrets("waiting...", {"planted-secret"}) == "waiting..."
    assert reason_without_secrets("with planted-secret", {"planted-secret"}) == f"with {MASK}"
