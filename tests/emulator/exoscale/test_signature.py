"""Verification of EXO2-HMAC-SHA256 signatures."""

from typing import Any

import pytest

from di_async.emulator import World
from di_async.emulator.cloud.http import ApiError, parse_request
from di_async.emulator.exoscale.signature import verify

from .helpers import DEPLOYMENTS, ZoneClient, signed

KEY = "EXO" + 24 * "x"
SECRET = 43 * "X"
EXPIRES = 3376684800
ZONE_LIST = "/v2/zone"
PATCHED = f"{DEPLOYMENTS}/00000000-0000-0000-0000-000000000001"

# Published by the vendor's Go client (the first two) and made with its Python reference.
VECTORS = [
    ("GET", ZONE_LIST, b"", "", "Ntbq/p0HVmA3Zg1HHY+Lq1vjFGi7HeMrrgXDS5jRNlY="),
    ("GET", f"{ZONE_LIST}?k1=v1&k2=v2", b"", "k1;k2",
     "iqOBz13+44L5j0uJclE8hmUhQQcvtCSoPEOXYK6liqY="),
    ("PATCH", PATCHED, b'{"name":"a"}', "", "4WJRCmxCELHnJp0egO+vo/6ze7Gd3vkjqKh+NN9izhk="),
    ("GET", f"{DEPLOYMENTS}?visibility=a+b%26c", b"", "visibility",
     "s+Rp4rm6o+C6r+99N19/x44p2CrE5hDrSdBs48aKz5k="),
]  # fmt: skip


def check(header: str, method: str, target: str, body: bytes = b"", clock: float = 0.0) -> str:
    """Return the key that signed."""
    request = parse_request(method, target, {"Authorization": header}, body)
    return verify(request, {KEY: SECRET}, clock)


def header(args: str, signature: str, expires: object = EXPIRES, key: str = KEY) -> str:
    """Return an Authorization header built from its parts."""
    pragma = f"signed-query-args={args}," if args else ""
    return f"EXO2-HMAC-SHA256 credential={key},{pragma}expires={expires},signature={signature}"


@pytest.mark.parametrize(("method", "target", "body", "args", "signature"), VECTORS)
def test_published_vectors_verify(
    method: str, target: str, body: bytes, args: str, signature: str
) -> None:
    """Signatures of the vendor's own clients are accepted."""
    assert check(header(args, signature), method, target, body) == KEY


@pytest.mark.parametrize(
    "request_parts",
    [
        ("DELETE", PATCHED, b'{"name":"a"}'),
        ("PATCH", f"{DEPLOYMENTS}/00000000-0000-0000-0000-000000000002", b'{"name":"a"}'),
        ("PATCH", PATCHED, b'{"name": "a"}'),
        ("PATCH", PATCHED.replace("a", "%61"), b'{"name":"a"}'),
        ("PATCH", f"{PATCHED}?more=1", b'{"name":"a"}'),
    ],
)
def test_every_part_of_the_request_is_covered(request_parts: Any) -> None:
    """A different method, path, body, escape or argument is rejected."""
    with pytest.raises(ApiError, match="Authentication failed"):
        check(header("", VECTORS[2][4]), *request_parts)


@pytest.mark.parametrize(
    ("bad", "says"),
    [
        ("", "is required"),
        ("Bearer token", "is required"),
        ("EXO2-HMAC-SHA256 credential=x", "no expires"),
        (header("", ""), "no signature"),
        (header("", "AAAA", key="EXOother"), "unknown API key"),
        (header("", "AAAA"), "does not match"),
        (header("", VECTORS[0][4], expires=EXPIRES + 1), "does not match"),
        (header("", VECTORS[0][4], expires="soon"), "whole number"),
        (header("", VECTORS[0][4], expires="9" * 5000), "whole number"),
    ],
)
def test_rejection_has_the_reason(bad: str, says: str) -> None:
    """Without scheme, key or signature, or with wrong ones, the error names the cause."""
    with pytest.raises(ApiError, match=says) as caught:
        check(bad, "GET", ZONE_LIST)
    assert caught.value.status == 403


@pytest.mark.parametrize("args", ["k2;k1", "k1", "k1;k2;k3", ""])
def test_query_arguments_are_named_all_and_in_order(args: str) -> None:
    """Unsigned or unordered query arguments are rejected."""
    with pytest.raises(ApiError, match="signed-query-args"):
        check(header(args, VECTORS[1][4]), "GET", f"{ZONE_LIST}?k1=v1&k2=v2")


def test_expired_signature_shows_the_servers_time() -> None:
    """A client can tell a wrong clock from a wrong secret."""
    good = header("", VECTORS[0][4])
    assert check(good, "GET", ZONE_LIST, clock=EXPIRES - 1) == KEY
    with pytest.raises(ApiError, match=f"expired at {EXPIRES}, server time is {EXPIRES + 5}"):
        check(good, "GET", ZONE_LIST, clock=EXPIRES + 5)


def test_path_may_be_signed_without_the_emulators_zone_prefix(zone: ZoneClient) -> None:
    """Signatures of the whole path, and of the path from /v2 on, are accepted."""
    exo = zone.world.exoscale
    for path in (DEPLOYMENTS, f"/zones/{zone.zone}{DEPLOYMENTS}"):
        signature = signed(exo.api_key, exo.api_secret, "GET", path, expires=zone.now + 600)
        assert zone.request("GET", "/deployment", authorization=signature).status == 200


def test_signature_that_covers_the_zone_is_invalid_in_another(zone: ZoneClient) -> None:
    """A signature that covers its zone cannot be replayed in another."""
    exo = zone.world.exoscale
    path = f"/zones/de-fra-1{DEPLOYMENTS}"
    signature = signed(exo.api_key, exo.api_secret, "GET", path, expires=zone.now + 600)
    reply = zone.request("GET", "/deployment", authorization=signature)
    assert (reply.status, reply.json["title"]) == (403, "Forbidden")


def test_expiry_is_real_time_in_a_fast_world() -> None:
    """At scale 1000 a signature of ten minutes is valid for six days of world time."""
    zone = ZoneClient(World(time_scale=1000.0))
    exo = zone.world.exoscale
    assert zone.request("GET", "/deployment").status == 200
    start = zone.now
    path = f"/zones/{zone.zone}{DEPLOYMENTS}"
    signature = signed(exo.api_key, exo.api_secret, "GET", path, expires=start + 600)
    zone.now = start + 599_000
    assert zone.request("GET", "/deployment", authorization=signature).status == 200
    zone.now = start + 601_000
    assert "expired" in zone.request("GET", "/deployment", authorization=signature).json["detail"]


def test_zones_are_listed_unsigned(zone: ZoneClient) -> None:
    """The list of zones needs no key; each zone's address is one of the emulator."""
    answer = zone.world.handle(zone.now, "GET", "/v2/zone", {"Host": "127.0.0.1:1"})
    assert answer.status == 200
    assert b"/127.0.0.1:1/zones/at-vie-1/v2" in answer.body
    assert zone.world.handle(zone.now, "GET", DEPLOYMENTS, {}).status == 403


def test_restricted_key_may_only_read(zone: ZoneClient) -> None:
    """A write is 403 with another body; so is a signed list of zones."""
    exo = zone.world.exoscale

    def request(method: str, path: str) -> Any:
        signature = signed(
            exo.restricted_key, exo.restricted_secret, method, path, expires=zone.now + 600
        )
        return zone.request(method, path, authorization=signature)

    assert request("GET", DEPLOYMENTS).status == 200
    for denied in (request("DELETE", f"{DEPLOYMENTS}/x"), request("GET", ZONE_LIST)):
        assert denied.status == 403
