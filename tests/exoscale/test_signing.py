"""EXO2-HMAC-SHA256: published vectors, and random requests against the reference signer."""

from types import SimpleNamespace
from urllib.parse import quote, urlencode

import pytest
from exoscale_auth import ExoscaleV2Auth  # type: ignore[import-untyped]
from hypothesis import given
from hypothesis import strategies as st

from di_async import InvalidInputError
from di_async.exoscale.api import authorization

KEY, SECRET = "EXO" + "x" * 24, "X" * 43
EXPIRES = 3376684800
DEPLOYMENT = "/v2/ai/deployment"
VECTORS = [
    ("GET", "/v2/zone", (), None, "Ntbq/p0HVmA3Zg1HHY+Lq1vjFGi7HeMrrgXDS5jRNlY="),
    (
        "GET",
        "/v2/zone",
        (("k1", "v1"), ("k2", "v2")),
        None,
        "iqOBz13+44L5j0uJclE8hmUhQQcvtCSoPEOXYK6liqY=",
    ),
    (
        "PATCH",
        f"{DEPLOYMENT}/00000000-0000-0000-0000-000000000001",
        (),
        b'{"name":"a"}',
        "4WJRCmxCELHnJp0egO+vo/6ze7Gd3vkjqKh+NN9izhk=",
    ),
    (
        "GET",
        DEPLOYMENT,
        (("visibility", "a b&c"),),
        None,
        "s+Rp4rm6o+C6r+99N19/x44p2CrE5hDrSdBs48aKz5k=",
    ),
]


def sign(
    method: str, path: str, params: tuple[tuple[str, str], ...] = (), body: bytes | None = None
) -> str:
    """Return the header with the vectors' credentials."""
    return authorization(method, path, params, body, expires=EXPIRES, key=KEY, secret=SECRET)


@pytest.mark.parametrize(("method", "path", "params", "body", "signature"), VECTORS)
def test_published_vectors(
    method: str,
    path: str,
    params: tuple[tuple[str, str], ...],
    body: bytes | None,
    signature: str,
) -> None:
    """Each vector has its known signature."""
    assert sign(method, path, params, body).endswith(f",signature={signature}")


def test_header_names_its_parts_in_order() -> None:
    """The header has credential, query names (if any), expiry and signature, without spaces."""
    header = sign("GET", "/v2/zone", (("k2", "v2"), ("k1", "v1")))
    scheme, parts = header.split(" ")
    assert scheme == "EXO2-HMAC-SHA256"
    assert [part.split("=")[0] for part in parts.split(",")] == [
        "credential",
        "signed-query-args",
        "expires",
        "signature",
    ]
    assert "signed-query-args=k1;k2," in parts
    assert "signed-query-args" not in sign("GET", "/v2/zone")


def test_order_of_the_query_does_not_matter() -> None:
    """Query names are sorted before they are signed."""
    there, back = (("a", "1"), ("b", "2")), (("b", "2"), ("a", "1"))
    assert sign("GET", "/v2/zone", there) == sign("GET", "/v2/zone", back)


@pytest.mark.parametrize("params", [(("k", ""),), (("k", "1"), ("k", "2")), (("", "v"),)])
def test_blank_and_repeated_parameters_are_rejected(params: tuple[tuple[str, str], ...]) -> None:
    """Blank and repeated parameters are rejected: the vendor's signers disagree on them."""
    with pytest.raises(InvalidInputError, match="cannot be signed"):
        sign("GET", "/v2/zone", params)


def test_secret_is_not_in_the_header() -> None:
    """The header does not contain the secret."""
    assert SECRET not in sign("GET", "/v2/zone")


texts = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=20)


@given(
    method=st.sampled_from(["GET", "POST", "PATCH", "DELETE"]),
    segments=st.lists(texts, max_size=4),
    query=st.dictionaries(st.text("abcdefghijk-", min_size=1, max_size=8), texts, max_size=5),
    body=st.none() | st.binary(min_size=1, max_size=200),
    key=st.text("EXO0123456789abcdef", min_size=3, max_size=30),
    secret=texts,
    expires=st.integers(0, 2**40),
)
def test_agrees_with_the_reference_implementation(
    method: str,
    segments: list[str],
    query: dict[str, str],
    body: bytes | None,
    key: str,
    secret: str,
    expires: int,
) -> None:
    """Any request has the same header as from the reference signer."""
    path = "/v2/" + "/".join(quote(segment, safe="") for segment in segments)
    url = f"https://api-ch-gva-2.exoscale.com{path}"
    url = f"{url}?{urlencode(query)}" if query else url
    theirs = SimpleNamespace(method=method, url=url, body=body, headers={})
    ExoscaleV2Auth(key, secret)._sign_request(theirs, expires)  # noqa: SLF001 - sets the time
    ours = authorization(method, path, query.items(), body, expires=expires, key=key, secret=secret)
    assert ours == theirs.headers["Authorization"]
