"""Errors in the words of somebody at a shell: what happened, and what to do about it.

Rules of this file: the library's message tells what happened, so a hint only says where to look
next. In it, `{list}` is the command line that lists at the same cloud, and so on.
"""

import errno
from collections.abc import Iterator

from attrs import evolve

from di_async import (
    APIError,
    AuthenticationError,
    BadRequestError,
    ConflictError,
    ConnectError,
    DecodeError,
    DeploymentFailedError,
    DIError,
    InvalidInputError,
    NotFoundError,
    OutcomeUnknownError,
    PermissionDeniedError,
    RateLimitError,
    RequestTimeoutError,
    ServerError,
    UnprocessableEntityError,
    WaitError,
)
from di_async.cli.settings import Provider, Settings

__all__ = ["explain", "resume_line"]

_Hints = dict[type[DIError], str]
_CHOICES = "`di-async sizes` and `di-async models` show what can be chosen."
_GENERAL: _Hints = {
    NotFoundError: "It is gone, or in another team: `{list}` shows what there is.",
    ConflictError: "The name is taken or the spec has moved on: `{list}` and `{get}` show it.",
    RateLimitError: "The token's quota is used up for now; other programs share it.",
    ConnectError: ("Nobody answers there: look at --base-url (DI_ASYNC_BASE_URL) and the network."),
    OutcomeUnknownError: "Look before you repeat it, since it may exist and bill: `{list}`",
    RequestTimeoutError: "The API did not answer in time: try again.",
    ServerError: "The API stumbled: try again; its status page may know more.",
    DecodeError: "That is no answer of the API: look at --base-url and at proxies on the way.",
}
_DIGITALOCEAN: _Hints = {
    AuthenticationError: (
        "The token is wrong, expired or revoked: look at DIGITALOCEAN_TOKEN or --token-file."
    ),
    PermissionDeniedError: (
        "The token lacks a scope, or the team the feature, or an earlier change is under way."
    ),
    UnprocessableEntityError: _CHOICES,
    BadRequestError: _CHOICES,
}
_ACCESS = (
    "Look at EXOSCALE_API_KEY and EXOSCALE_API_SECRET (or the two lines of --token-file), at this "
    "machine's clock, and at what the key's role allows: Exoscale answers all of them alike."
)
_EXOSCALE: _Hints = {
    AuthenticationError: _ACCESS,
    PermissionDeniedError: _ACCESS,
    NotFoundError: (
        "It is gone, or in another zone (--zone, EXOSCALE_ZONE): `{scan}` looks into all of them."
    ),
    ConflictError: (
        "Nothing was begun. When what is under way is over (`{wait}`), try again; "
        "--ready-timeout does so by itself."
    ),
    ConnectError: (
        "Nobody answers there: is that a zone (--zone, EXOSCALE_ZONE)? Else look at --base-url "
        "(DI_ASYNC_BASE_URL) and the network."
    ),
    BadRequestError: "A deployment needs a model that is ready in its zone: `{models}`",
    UnprocessableEntityError: "A deployment needs a model that is ready in its zone: `{models}`",
}
_GCORE: _Hints = {
    AuthenticationError: (
        "Look at GCORE_API_KEY or --token-file. A key has a `$` in it, which a shell eats between "
        "double quotes: use single ones."
    ),
    PermissionDeniedError: (
        "The key may not do that, or the account's quota or the region's capacity does not "
        "allow it: the code says which."
    ),
    NotFoundError: (
        "It is gone, or in another project (--project, GCORE_CLOUD_PROJECT_ID): `{list}` shows "
        "what is in this one."
    ),
    ConflictError: (
        "The name is taken, or another task is under way: `{list}` and `{get}` show it."
    ),
}
_OF_PROVIDER: dict[Provider, _Hints] = {
    Provider.DIGITALOCEAN: _DIGITALOCEAN,
    Provider.EXOSCALE: _EXOSCALE,
    Provider.GCORE: _GCORE,
    Provider.GCORE_V2: {
        **_GCORE,
        NotFoundError: "It is gone, or another key's: `{list}` shows what there is.",
    },
}
_AFTER_FAILURE = {
    Provider.DIGITALOCEAN: "A gated model (see `di-async models`) fails so without --hf-token.",
    Provider.EXOSCALE: "`{logs}` may tell more.",
    Provider.GCORE: "`{logs}` may tell more.",
}


def explain(error: BaseException, settings: Settings | None = None) -> Iterator[str]:
    """Lines that say what went wrong and what to do now. No secrets, no Python."""
    settings = settings or Settings()
    if isinstance(error, WaitError):
        yield from _explain_wait(error, settings)
    elif isinstance(error, InvalidInputError) and error.problems:
        yield "error: the input breaks these rules (nothing was sent):"
        yield from (f"  {_at_a_shell(problem)}" for problem in error.problems)
    elif isinstance(error, DIError | ModuleNotFoundError):
        yield f"error: {_at_a_shell(str(error))}"
        yield from filter(None, [_hint(error, settings)])
    elif isinstance(error, OSError):
        yield f"error: {error.strerror or error}"
        if error.errno == errno.EADDRINUSE:
            yield "Another program has that port: choose one with --port, or 0 for any free one."
    else:
        yield f"error: {type(error).__name__}: {error}"
        if not settings.debug:
            yield "This is a defect of di-async; --debug shows where."


def _explain_wait(error: WaitError, settings: Settings) -> Iterator[str]:
    yield f"error: {error.message}"
    cause = error.last_error if isinstance(error.__cause__, DIError) else None
    hint = _hint(cause, settings) if cause is not None else None
    if hint:
        yield hint
    if isinstance(error, DeploymentFailedError):
        story = _AFTER_FAILURE.get(settings.provider)
        if story:
            yield _filled(story, settings, error.id)
        delete = settings.line("delete", error.id)
        yield f"It still exists and may bill. Delete it: {delete}"
        return
    yield "It was left alone, and bills for as long as it exists."
    if error.resume_token:
        yield resume_line(settings, error.resume_token)


def resume_line(settings: Settings, token: str) -> str:
    """How to go on waiting."""
    return f"Go on waiting with: {settings.line('wait', '--resume', token)}"


def _hint(error: BaseException, settings: Settings) -> str | None:
    if isinstance(error, APIError) and error.status == 412:
        return "Fewer GPUs, another --gpu or another zone may do."
    hints = {**_GENERAL, **_OF_PROVIDER[settings.provider]}
    found = next((hint for kind, hint in hints.items() if isinstance(error, kind)), None)
    return found and _filled(found, settings, "ID")


def _filled(hint: str, settings: Settings, id: str) -> str:
    """The hint with command lines for the same cloud."""
    told = {word: settings.line(word, id) for word in ("get", "logs", "wait")}
    told |= {word: settings.line(word) for word in ("list", "models")}
    told["scan"] = evolve(settings, zone=None).line("scan")
    return hint.format(**told)


def _at_a_shell(text: str) -> str:
    """The library's words, where they name what only Python has."""
    for words, option in (
        ("see in_zone(...)", "see --zone"),
        ("check project_id", "check --project"),
        ("project_id is", "--project is"),
        ("say open_to_world=True", "say --open-to-world"),
    ):
        text = text.replace(words, option)
    return text
