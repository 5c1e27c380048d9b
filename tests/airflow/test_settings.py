"""Tests of how the fields of an Airflow connection become a client."""

from typing import Any

import pytest

from di_async import DigitalOcean, Exoscale, Gcore, InvalidInputError, RequestBudget
from di_async.airflow.settings import ConnectionSettings

DO, GCORE, EXO = "digitalocean_inference", "gcore_inference", "exoscale_inference"


def settings(conn_type: str = DO, **fields: Any) -> ConnectionSettings:
    """Return the settings of a connection with a password."""
    return ConnectionSettings.from_fields(conn_type, **{"password": "hidden-value", **fields})


def test_each_type_makes_its_client() -> None:
    """Type, password, login and extras make the client of that provider."""
    assert isinstance(settings().client(None), DigitalOcean)
    gcore = settings(GCORE, extra={"project_id": 42}).client(None)
    assert isinstance(gcore, Gcore)
    assert gcore.project_id == 42
    exoscale = settings(EXO, login="EXOkey", extra={"zone": "de-fra-1"}).client(None)
    assert isinstance(exoscale, Exoscale)
    assert exoscale.zone == "de-fra-1"


@pytest.mark.parametrize(
    ("fields", "url"),
    [
        ({"host": "http://127.0.0.1:8080"}, "http://127.0.0.1:8080"),
        ({"host": "api.example.com"}, "https://api.example.com"),
        ({"host": "127.0.0.1", "port": 99, "schema": "http"}, "http://127.0.0.1:99"),
        ({"host": "https://api.example.com/"}, "https://api.example.com/"),
        ({}, "https://api.digitalocean.com"),
    ],
)
def test_host_is_the_base_url(fields: dict[str, Any], url: str) -> None:
    """The host is the base URL, with or without a scheme; without one it is the provider's."""
    assert settings(**fields).client(None).base_url == url.rstrip("/")


def test_policies_in_the_extras() -> None:
    """Extras hold the policies; `false` switches the budget off, and the rest has defaults."""
    budget = settings(extra={"budget": {"per_minute": 10}}).budget()
    assert isinstance(budget, RequestBudget)
    assert (budget.per_minute, budget.per_hour) == (10, 5000)
    gcore = settings(GCORE).budget()
    assert gcore is not None
    assert gcore.per_minute == 120
    assert settings(extra={"budget": False}).budget() is None
    settings(extra={"retry": {"attempts": 2}, "polling": {"target_lag": 1}}).client(None)


def test_text_in_the_extras_means_what_it_says() -> None:
    """A connection given as a URI holds text: switches and numbers are read from it."""
    budget = settings(extra={"budget": {"per_minute": "60"}}).budget()
    assert budget is not None
    assert budget.per_minute == 60
    assert settings(extra={"budget": "False"}).budget() is None
    found = settings(host="http://h", extra={"allow_insecure": "true", "request_timeout": "2.5"})
    assert found.client(None).base_url == "http://h"
    policies = {"retry": {"attempts": "2"}, "polling": {"target_lag": "1.5", "confirm": "never"}}
    settings(extra=policies).client(None)


@pytest.mark.parametrize(
    ("conn_type", "fields", "message"),
    [
        ("http", {}, "expected one of digitalocean_inference"),
        (DO, {"password": None}, "no password"),
        (EXO, {}, "no login"),
        (DO, {"extra": {"zone": "x"}}, "unknown zone"),
        (DO, {"extra": {"polling": {"lag": 3}}}, "polling: .*lag"),
        (DO, {"extra": {"retry": 3}}, "retry: expected an object"),
        (DO, {"extra": {"budget": True}}, "budget: expected"),
        (DO, {"extra": {"retry": {"attempts": 0}}}, "attempts: expected 1 or more"),
        (DO, {"extra": {"retry": {"attempts": "x"}}}, "attempts: expected 1 or more"),
        (DO, {"extra": {"retry": {"attempts": True}}}, "attempts: expected a number"),
        (
            DO,
            {"extra": {"request_timeout": "soon"}},
            "request_timeout: expected a number of seconds",
        ),
        (DO, {"extra": {"allow_insecure": "no"}}, "allow_insecure: expected true or false"),
        (DO, {"extra": {"allow_insecure": 1}}, "allow_insecure: expected true or false"),
        (DO, {"host": "http://h", "extra": {"allow_insecure": "false"}}, "unencrypted"),
        (DO, {"host": "http://h", "extra": {"allow_insecure": False}}, "unencrypted"),
    ],
)
def test_bad_connections(conn_type: str, fields: dict[str, Any], message: str) -> None:
    """What is wrong with a connection is named; the password is not."""

    def make() -> None:
        found = settings(conn_type, **fields)
        found.client(found.budget())

    with pytest.raises(InvalidInputError, match=message) as caught:
        make()
    assert "hidden-value" not in str(caught.value)


def test_equal_connections_share_a_fingerprint() -> None:
    """The fingerprint tells connections apart by every field, and shows none."""
    assert settings().fingerprint == settings().fingerprint
    others = [settings(password="x"), settings(host="h"), settings(extra={"request_timeout": 3})]
    assert len({one.fingerprint for one in [settings(), *others]}) == 4
    assert "hidden-value" not in repr(settings()) + settings().fingerprint
