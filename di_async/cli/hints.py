"""Error messages of the command line: the library's message, then what to do about it.

In a hint, `{list}` stands for the `list` command line of the same provider, `{get}` for `get`, ...
"""

import ast
import errno
import math
import re
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

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
    GatewayError,
    InvalidInputError,
    NotFoundError,
    OutcomeUnknownError,
    PermissionDeniedError,
    RateLimitError,
    RequestTimeoutError,
    ServerError,
    TransportError,
    UnprocessableEntityError,
    WaitError,
    WaitTimeoutError,
)
from di_async.cli.settings import Provider, Settings
from di_async.core.waiting.resume_token import ResumeToken
from di_async.engine.waiting.failures import DELETING

if TYPE_CHECKING:
    from di_async import Change

__all__ = [
    "error_line",
    "explain",
    "goes_on",
    "hint",
    "left_alone",
    "resume_lines",
    "with_option_names",
]

_Hints = dict[type[DIError], str]
# Kinds of resources that `wait` does not know, and the group whose commands wait for them.
_OWN_WAITS = {"custom-model": "custom-models", "model": "models", "ai_api_key": "keys"}
_SHOWN_LOG_LINES = 10
_CHOICES = "`di-async sizes` and `di-async models` list the valid values."
_COLLECTIONS = ("dedicated-inferences", "ai/deployment", "ai/model", "deployments", "instances")
_GENERAL: _Hints = {
    NotFoundError: "It does not exist, or belongs to another team. `{list}` lists what exists.",
    ConflictError: "The name is taken, or the spec has changed. Check with `{list}` and `{get}`.",
    RateLimitError: "The token's request quota is used up. Other programs may share it.",
    ConnectError: "Check --base-url (DI_ASYNC_BASE_URL) and the network.",
    OutcomeUnknownError: "It may exist and be billed. Check before you retry: `{list}`",
    RequestTimeoutError: "The API did not respond in time. Try again.",
    GatewayError: "Check --base-url (DI_ASYNC_BASE_URL), any proxy and the network.",
    ServerError: "The API failed. Try again, or check the provider's status page.",
    DecodeError: "The response is not from the API. Check --base-url and any proxy.",
    # The last one, as others are subclasses of it.
    TransportError: "No response. A write may have been carried out: check with `{list}`.",
}
_DIGITALOCEAN: _Hints = {
    AuthenticationError: (
        "The token is wrong, expired or revoked. Check DIGITALOCEAN_TOKEN or --token-file."
    ),
    PermissionDeniedError: (
        "The token lacks a scope, the team lacks the feature, or another change is in progress. "
        "`update` and `scale` wait for the latter with --ready-timeout SECONDS."
    ),
    UnprocessableEntityError: _CHOICES,
    BadRequestError: _CHOICES,
}
_EXOSCALE_ACCESS = (
    "Check EXOSCALE_API_KEY and EXOSCALE_API_SECRET (or the two lines of --token-file), this "
    "machine's clock, and the role of the key. Exoscale sends the same error for all of them."
)
_EXOSCALE_MODEL = (
    "`{models}` lists the models that are ready in the zone, `{models} create NAME` adds one. "
    "`{hardware}` lists the GPU families."
)
_EXOSCALE: _Hints = {
    AuthenticationError: _EXOSCALE_ACCESS,
    PermissionDeniedError: _EXOSCALE_ACCESS,
    NotFoundError: (
        "It does not exist, or is in another zone (--zone, EXOSCALE_ZONE). `{scan}` reads all "
        "zones."
    ),
    ConflictError: (
        "Nothing was changed. Try again when the change in progress has ended (`{wait}`), or use "
        "--ready-timeout SECONDS."
    ),
    ConnectError: (
        "Check the zone (--zone, EXOSCALE_ZONE), --base-url (DI_ASYNC_BASE_URL) and the network."
    ),
    BadRequestError: _EXOSCALE_MODEL,
    UnprocessableEntityError: _EXOSCALE_MODEL,
}
_GCORE: _Hints = {
    BadRequestError: "`{hardware}` lists the flavors and regions.",
    AuthenticationError: (
        "Check GCORE_API_KEY or --token-file. A key contains a `$`, which a shell expands inside "
        "double quotes: use single quotes."
    ),
    PermissionDeniedError: (
        "The key lacks the permission, the account lacks quota, or the region lacks capacity. The "
        "error code states which."
    ),
    NotFoundError: (
        "It does not exist, or is in another project (--project, GCORE_CLOUD_PROJECT_ID). "
        "`{list}` lists what is in this one."
    ),
    ConflictError: (
        "The name is taken, or another task is in progress. Check with `{list}` and `{get}`."
    ),
}
_OF_PROVIDER: dict[Provider, _Hints] = {
    Provider.DIGITALOCEAN: _DIGITALOCEAN,
    Provider.EXOSCALE: _EXOSCALE,
    Provider.GCORE: _GCORE,
    Provider.GCORE_V2: {
        **_GCORE,
        NotFoundError: "It does not exist, or belongs to another key. `{list}` lists what exists.",
    },
}
_KEY = "--access-token-file FILE or DI_ASYNC_ACCESS_TOKEN"
# In messages of endpoints that refuse a key.
_OF_ENDPOINT = "pass an access token of this deployment"
# What may be wrong if a list, which always exists, is not found.
_NO_LIST = {
    Provider.EXOSCALE: "There is no such zone at that URL. Check --zone (EXOSCALE_ZONE) and "
    "--base-url (DI_ASYNC_BASE_URL).",
    Provider.GCORE: "There is no such project at that URL. Check --project "
    "(GCORE_CLOUD_PROJECT_ID) and --base-url (DI_ASYNC_BASE_URL).",
}
# Parts of paths, and the group whose `list` has what they name.
_LISTED_BY = {"/tasks/": "tasks", "/api_keys/": "keys", "/secrets/": "secrets"}
_AFTER_FAILED_IMPORT = "A gated or private repository needs --hf-token."
_AFTER_FAILURE = {
    Provider.EXOSCALE: "Check the logs: `{logs}`",
    Provider.GCORE: "Check the logs: `{logs}`",
}


def explain(
    error: BaseException, settings: Settings | None = None, *, deleted: bool = False
) -> Iterator[str]:
    """Return the lines to print for an error: what happened, then what to do. No secrets.

    `deleted`: the resource of a failed wait was deleted afterwards, and the user knows.
    """
    settings = settings or Settings()
    if isinstance(error, WaitError):
        yield from _explain_wait(error, settings, deleted=deleted)
    elif isinstance(error, InvalidInputError) and error.problems:
        yield "error: invalid input (no request was sent):"
        yield from (f"  {with_option_names(one, settings, spec=True)}" for one in error.problems)
    elif isinstance(error, DIError | ModuleNotFoundError):
        yield f"error: {with_option_names(str(error), settings)}"
        yield from filter(None, [hint(error, settings)])
    elif isinstance(error, OSError):
        yield f"error: {error.strerror or error}"
        if error.errno == errno.EADDRINUSE:
            yield "Another program uses that port. Choose one with --port, or 0 for any free port."
    else:
        yield f"error: {type(error).__name__}: {error}"
        if not settings.debug:
            yield "This is a bug in di-async. Run with --debug for a traceback."


def _explain_wait(error: WaitError, settings: Settings, *, deleted: bool) -> Iterator[str]:
    yield f"error: {with_option_names(error.message, settings)}"
    cause = error.last_error if isinstance(error.__cause__, DIError) else None
    advice = hint(cause, settings) if cause is not None else None
    key_refused = _OF_ENDPOINT in error.message  # not the API's token
    if key_refused:
        advice = "Check DI_ASYNC_ACCESS_TOKEN or --access-token-file."
    if advice:
        yield advice
    if isinstance(error, DeploymentFailedError) and error.logs:
        yield "The end of its log:"
        yield from (f"  {line}" for line in error.logs[-_SHOWN_LOG_LINES:])
    if deleted:
        return
    if isinstance(error, DeploymentFailedError):
        advice = _AFTER_FAILURE.get(settings.provider)
        group = _own_group(error.resume_token)
        if group:  # models have no log
            advice = _AFTER_FAILED_IMPORT if group == "custom-models" else None
        if advice:
            yield _fill(advice, settings, error.id)
        yield from getattr(error, "__notes__", ())
        yield _after_failure(error, settings, group)
    else:
        yield _state_after(error, settings)
        if error.resume_token and not key_refused:
            yield from resume_lines(settings, error)


def _state_after(error: WaitError, settings: Settings) -> str:
    """Return what the end of the wait means for the resource."""
    action = ResumeToken.decode(error.resume_token).action if error.resume_token else ""
    if not isinstance(error, WaitTimeoutError):
        return left_alone("", error.id, settings)
    if goes_on(action, error.advice):
        return f"The {action} continues, and the resource is billed while it exists."
    return left_alone(action, error.id, settings, _own_group(error.resume_token))


def goes_on(action: str, advice: str) -> bool:
    """Return whether a change goes on after a wait was left, by the advice of the library.

    A wait for a deletion may have begun before anybody has sent one.
    """
    return action in ("create", "update") or (action == "delete" and DELETING in advice)


def left_alone(action: str, id: str, settings: Settings, group: str | None = None) -> str:
    """Return the state of a resource after a wait that leaves no change in progress."""
    if action != "delete":
        return "It was left unchanged, and is billed while it exists."
    delete = settings.command_line(*filter(None, (group,)), "delete", id)
    return f"No read has shown a deletion, and it is billed while it exists. Delete it: {delete}"


def error_line(error: Exception, settings: Settings) -> str:
    """Return an error in one line, for a report of several, with the command that ends the cost."""
    if not isinstance(error, WaitError):
        return with_option_names(str(error), settings)
    text = with_option_names(error.message, settings)
    if isinstance(error, DeploymentFailedError):
        text += f" The end of its log: {error.logs[-1]!r}." if error.logs else ""
        text += f" {_after_failure(error, settings)}"
    return text


def _after_failure(error: WaitError, settings: Settings, group: str | None = None) -> str:
    """Return that a failed resource may be billed, and the command that deletes it."""
    # After a failed operation nobody has read it.
    exists = "may exist and" if error.resource is None else "still exists and may"
    delete = settings.command_line(*filter(None, (group,)), "delete", error.id)
    return f"It {exists} be billed. Delete it: {delete}"


def resume_lines(settings: Settings, wait: "WaitError | Change[Any]") -> list[str]:
    """Return the lines that show how to wait again: in short, and exactly this wait."""
    token = wait.resume_token or ""
    resource = wait.resource if isinstance(wait, WaitError) else wait.latest
    decoded = ResumeToken.decode(token)
    # Exoscale's names are not unique; Gcore's ids are names. An update may change the name.
    is_name_unique = settings.provider is Provider.DIGITALOCEAN and decoded.action != "update"
    name = (getattr(resource, "name", None) if is_name_unique else None) or wait.id
    if group := _own_group(token):
        word = "delete" if decoded.action == "delete" else "wait"
        return [f"Wait again with: {settings.command_line(group, word, wait.id)}"]
    deleted = ("--for", "deleted") if decoded.action == "delete" else ()
    resume = settings.command_line("wait", "--resume", token)
    return [
        f"Wait again with: {settings.command_line('wait', name, *deleted)}",
        f"Or resume exactly this wait, with its proof so far: {resume}",
    ]


def _own_group(token: str | None) -> str | None:
    """Return the group of commands for what a resume token is about; None for deployments."""
    return _OWN_WAITS.get(ResumeToken.decode(token).resource.kind) if token else None


def hint(error: BaseException, settings: Settings) -> str | None:
    """Return what to do about an error; None if its message is all there is to say."""
    if isinstance(error, PermissionDeniedError) and "not yet accepting updates" in str(error):
        return (
            "An earlier change is in progress: add --ready-timeout 600 to wait for its end. "
            "If it has failed, waiting does not help: delete the instance and create another."
        )
    if isinstance(error, RateLimitError) and error.retry_after:
        return f"{_GENERAL[RateLimitError]} Try again in {math.ceil(error.retry_after)} s."
    if isinstance(error, NotFoundError) and _is_collection(error):
        otherwise = "This API is not at that URL. Check --base-url (DI_ASYNC_BASE_URL)."
        return _NO_LIST.get(settings.provider, otherwise)
    if type(error) is TransportError and error.method == "GET":
        return "No response. Check the network, and try again."
    if isinstance(error, APIError) and error.status == 412:
        return "Try fewer GPUs, another --gpu, or another zone."
    hints = {**_GENERAL, **_OF_PROVIDER[settings.provider]}
    found = next((hint for kind, hint in hints.items() if isinstance(error, kind)), None)
    path = f"{error.path}/" if isinstance(error, APIError) else ""
    group = next((group for part, group in _LISTED_BY.items() if part in path), None)
    return found and _fill(found, settings, "ID", group)


def _is_collection(error: APIError) -> bool:
    """Return whether a list was not found, which always exists."""
    return error.method == "GET" and error.path.rstrip("/").endswith(_COLLECTIONS)


def _fill(hint: str, settings: Settings, id: str, group: str | None = None) -> str:
    """Replace `{list}` and the like with command lines for the same provider.

    `group` is the group of commands for what the hint is about; None for deployments.
    """
    words = () if group is None else (group,)
    lines = {word: settings.command_line(*words, word, id) for word in ("get", "logs", "wait")}
    lines |= {"list": settings.command_line(*words, "list")}
    lines |= {word: settings.command_line(word) for word in ("models", "hardware")}
    lines["scan"] = evolve(settings, zone=None).command_line("scan")
    return hint.format(**lines)


# Parameters of the library, and how the command line says the same.
_PARAMETERS = {
    "in_zone(...)": "--zone",
    "pass open_to_world=True": "use --open-to-world",
    "open_to_world=True": "--open-to-world",
    "pass allow_insecure=True or set": "set",
    "pass allow_unknown_price=True": "use --allow-unknown-price",
    "pass access_token=, or mint_token=NAME": f"use {_KEY}, or --mint-token NAME",
    "pass access_token=": f"use {_KEY}",
    "as access_token=": f"with {_KEY}",
    "private=True": "--private",
    # The command's own hint says it.
    " (if another change is under way, ready_timeout=600 keeps trying for ten minutes)": "",
    "pass name_timeout=": "use --name-timeout SECONDS",
    "; pass None to wait for ever": "",
    ", or pass an aiohttp session that connects through it": "",
    ". `.write_result` of this error holds the answer, with a one-time token if there is one": "",
}
# Parameters whose names are not words of a text.
_NAMES = {
    "base_url": "--base-url",
    "max_hourly": "--max-hourly",
    "mint_token": "--mint-token",
    "name_timeout": "--name-timeout",
    "ready_timeout": "--ready-timeout",
    "target_lag": "--target-lag",
}
# Parameters that begin a text where they are at fault; elsewhere they may be words of a server.
_AT_FAULT = {"access_token": _KEY, "timeout": "--timeout", "lifetime": "--lifetime"}
_IN_ZONE = re.compile(r"\bin_zone\('([^']*)'\)")
_NEW_TOKEN = re.compile(r"create_token\('([^']*)', name\)")
_LOOKUP = re.compile(r"""`(find|find_all|get|logs)\(('[^']*'|"[^"]*")\)`(?: in ([\w-]+))?""")


def with_option_names(text: str, settings: Settings, *, spec: bool = False) -> str:
    """Replace the library's parameters and calls with the options and commands of the same meaning.

    `spec`: the text is about a field of a spec.
    """
    for parameter, option in _PARAMETERS.items():
        text = text.replace(parameter, option)
    text = _LOOKUP.sub(lambda match: _lookup_command(match, settings), text)
    text = _IN_ZONE.sub(r"--zone \1", text)
    text = _NEW_TOKEN.sub(lambda match: _new_token_command(match[1], settings), text)
    if spec:
        return text
    chosen = {name: settings.variables.get(name, option) for name, option in _NAMES.items()}
    for name, option in chosen.items():
        text = re.sub(rf"\b{name}\b(?!=)", option, text)
    for name, option in _AT_FAULT.items():
        text = re.sub(rf"^{name}: ", f"{option}: ", text)
    # Not a zone of a fleet file.
    zone = settings.variables.get("zone", "--zone")
    text = text.replace(f"Invalid zone {settings.zone!r}", f"Invalid {zone} {settings.zone!r}")
    # "project_id:" is a field of a spec file.
    project = settings.variables.get("project", "--project")
    return re.sub(r"\bproject_id(?![:=])", project, text)


def _new_token_command(id: str, settings: Settings) -> str:
    """Return the command line that creates a token of an endpoint."""
    return f"`{settings.command_line('tokens', 'create', id, 'NAME')}`"


def _lookup_command(match: re.Match[str], settings: Settings) -> str:
    """Return the command line that does what a lookup of the library does."""
    call, name, zone = match[1], str(ast.literal_eval(match[2])), match[3]
    if call in ("get", "logs"):
        return f"`{settings.command_line(call, name)}`"
    if zone is None:
        return f"`{settings.command_line('list', '--name', name)}`"
    in_zone = evolve(settings, provider=Provider.EXOSCALE, zone=zone)
    return f"`{in_zone.command_line('list', '--name', name)}`"
