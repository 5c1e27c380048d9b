"""Endpoints of deployments: connect to one, and wait until its models answer.

Probes go to the endpoint over connections of their own. None is a request to the provider's API.
"""

import asyncio
import math
import ssl as ssl_module
from collections.abc import Awaitable, Callable, Mapping
from typing import TYPE_CHECKING, Any, Literal, cast
from urllib.parse import urlsplit

from di_async.core.errors import (
    DecodeError,
    DIError,
    InvalidInputError,
    TransportError,
    WaitRefusedError,
    WaitTimeoutError,
)
from di_async.core.http import Request, Response
from di_async.core.printable import printable
from di_async.core.protocols import Transport
from di_async.core.redaction import one_line, redact
from di_async.core.seconds import checked_timeout
from di_async.core.secret import Secret, SecretHeaders
from di_async.core.serving import (
    MAX_PROBED_MODELS,
    NotYet,
    Refusal,
    ServingTarget,
    api_base,
    chat_request,
    is_completion,
    judge_status,
    list_request,
    listed_models,
    pauses,
)
from di_async.core.waiting.events import StatusChange
from di_async.engine.environment import is_loopback
from di_async.engine.hooks import is_async

if TYPE_CHECKING:
    from types import ModuleType

    from openai import AsyncOpenAI, OpenAI

__all__ = [
    "OpenTransport",
    "Probe",
    "ServingEndpoint",
    "checked_probe",
    "context_of_ca",
    "endpoint_of",
    "of_http_library",
]

Probe = Literal["chat", "models"] | Callable[["ServingEndpoint"], Awaitable[object]]
"""What counts as an answer of an endpoint; see `Change.connect`."""
OpenTransport = Callable[[str, ssl_module.SSLContext | None], Transport]
"""Returns a transport to a base URL that uses this TLS context, or the client's own for None."""

# A server that is loading may hold a request for long; a slow first answer still counts.
_FIRST_REQUEST_S, _LONGEST_REQUEST_S = 10.0, 60.0
_ONLY_TRY_S = 5.0
# So many refusals in a row that have no error's form, such as a gateway's page, are final.
_UNSURE_REFUSALS = 3
_NOT_IMPLEMENTED = 501
_OF_HTTP_LIBRARIES = frozenset({"openai", "httpx", "httpx2", "aiohttp"})


class ServingEndpoint:
    """The OpenAI-compatible endpoint of a deployment. It outlives the client that made it.

    Attributes:
        id: the deployment.
        base_url: for OpenAI clients; it ends in `/v1`.
        access_token: the key to send, a `Secret`; None if anyone may call the endpoint.
        models: the names of the models, as the endpoint listed them last.
        ssl_context: the TLS context to use; None for the usual one. Of a private endpoint it
            trusts the deployment's CA alone.
        history: the steps until it answered, oldest first.
    """

    def __init__(
        self,
        id: str,
        target: ServingTarget,
        open_transport: OpenTransport,
        *,
        ssl_context: ssl_module.SSLContext | None = None,
        proxy: Secret | None = None,
        probe: Probe = "chat",
    ) -> None:
        self.id = id
        self.base_url: str = api_base(target.url)
        self.access_token: Secret | None = target.access_token
        self.models: tuple[str, ...] = ()
        self.ssl_context = ssl_context
        self.history: tuple[StatusChange, ...] = ()
        self._open = open_transport
        self._proxy = proxy
        self._probe: Probe = probe
        _check_encrypted(self.base_url, self.access_token)

    def __repr__(self) -> str:
        return f"<ServingEndpoint {printable(f'{self.base_url} of {self.id}')}>"

    def openai(self, **options: Any) -> "AsyncOpenAI":
        """Return an `openai.AsyncOpenAI` for this endpoint; use it in `async with`.

        Args:
            options: those of `AsyncOpenAI`, such as `max_retries`.

        Raises:
            ModuleNotFoundError: the `openai` package is not installed.
        """
        sdk = _openai_sdk()
        made: AsyncOpenAI = sdk.AsyncOpenAI(
            **self._openai_options(sdk.DefaultAsyncHttpxClient, options)
        )
        return made

    def sync_openai(self, **options: Any) -> "OpenAI":
        """Return an `openai.OpenAI` for this endpoint; use it in `with`.

        Args:
            options: those of `OpenAI`, such as `max_retries`.

        Raises:
            ModuleNotFoundError: the `openai` package is not installed.
        """
        sdk = _openai_sdk()
        made: OpenAI = sdk.OpenAI(**self._openai_options(sdk.DefaultHttpxClient, options))
        return made

    def _openai_options(
        self, http_client: Callable[..., object], options: Mapping[str, Any]
    ) -> dict[str, Any]:
        key = self.access_token.reveal() if self.access_token else "none"
        found = {"api_key": key, "base_url": self.base_url, **options}
        network: dict[str, Any] = {}
        if self.ssl_context is not None:
            network["verify"] = self.ssl_context
        if self._proxy is not None:
            network["proxy"] = self._proxy.reveal()
        if network and "http_client" not in options:
            # The SDK's own class: which HTTP library is behind it depends on its version.
            found["http_client"] = http_client(**network)
        return found

    async def ready(self, timeout: float | None = 600.0) -> "ServingEndpoint":
        """Return this endpoint once its models answer.

        Args:
            timeout: seconds; None waits for ever, 0 sends one probe.

        Raises:
            WaitTimeoutError: it does not answer in time.
            WaitRefusedError: it refuses (401, 403, a certificate that is not trusted).
        """
        await self.probe_until(checked_timeout(timeout), lambda _: None, _do_nothing)
        return self

    async def probe_until(
        self,
        seconds: float | None,
        note: Callable[[str], None],
        check: Callable[[], Awaitable[None]],
    ) -> None:
        """Probe until the endpoint answers, and report each step; `ready` says what is raised.

        `check` is awaited after each probe without an answer; it raises what ends the probing.
        """
        loop = asyncio.get_running_loop()
        until = math.inf if seconds is None else loop.time() + seconds
        transport = self._open(self.base_url, self.ssl_context)
        probing = _Probing(self, self._probe, transport, until)
        await transport.open()
        answered: NotYet | None = None
        try:
            for pause in pauses():
                outcome = await probing.round()
                if isinstance(outcome, str):
                    note(one_line(f"answering: {outcome}"))
                    return
                if answered is None or loop.time() < until:  # else the deadline cut this one off
                    answered = outcome
                    note(one_line(outcome.reason))
                await check()
                left = until - loop.time()
                await asyncio.sleep(max(0.0, min(pause, left)))
                if left <= pause:
                    raise _timed_out(self, answered, probing)
        finally:
            await transport.close()


def _openai_sdk() -> "ModuleType":
    try:
        import openai  # an extra
    except ModuleNotFoundError as error:
        if error.name != "openai":
            raise
        raise ModuleNotFoundError(
            "endpoint.openai() needs the openai package: pip install 'di-async[openai]'",
            name="openai",
        ) from None
    return openai


def endpoint_of(
    id: str,
    target: ServingTarget,
    open_transport: OpenTransport,
    *,
    tls: ssl_module.SSLContext | bool | None,
    client_url: str,
    probe: Probe,
    proxy: Secret | None = None,
) -> ServingEndpoint:
    """Return the endpoint of a deployment.

    Args:
        id: the deployment.
        target: where it serves.
        open_transport: makes the connections of probes.
        tls: the client's own setting, which holds for public endpoints.
        client_url: the client's base URL. If both it and the endpoint are on this machine's
            loopback (an emulator), the endpoint's certificate is not verified.
        probe: what proves that it answers.
        proxy: the URL of the client's proxy, which OpenAI clients use as well.
    """
    context = tls if isinstance(tls, ssl_module.SSLContext) else None
    hosts = (urlsplit(api_base(target.url)).hostname, urlsplit(client_url).hostname)
    if target.ca_pem is not None:
        context = context_of_ca(target.ca_pem)
    elif context is None and (tls is False or all(is_loopback(host or "") for host in hosts)):
        context = ssl_module.SSLContext(ssl_module.PROTOCOL_TLS_CLIENT)
        context.check_hostname, context.verify_mode = False, ssl_module.CERT_NONE
    return ServingEndpoint(
        id, target, open_transport, ssl_context=context, proxy=proxy, probe=probe
    )


def context_of_ca(ca_pem: str) -> ssl_module.SSLContext:
    """Return a TLS context that trusts this CA alone.

    Raises:
        DecodeError: it is not a certificate.
    """
    context = ssl_module.SSLContext(ssl_module.PROTOCOL_TLS_CLIENT)
    try:
        context.load_verify_locations(cadata=ca_pem)
    except (ssl_module.SSLError, ValueError) as error:
        raise DecodeError(f"Invalid CA certificate: {error}") from error
    return context


def checked_probe(probe: Any) -> Probe:
    """Return a valid probe. Raises `InvalidInputError`."""
    if not is_async(probe) and probe not in ("chat", "models"):
        raise InvalidInputError("probe: expected 'chat', 'models' or a coroutine function")
    return cast("Probe", probe)


def _check_encrypted(base_url: str, key: Secret | None) -> None:
    parts = urlsplit(base_url)
    if key is not None and parts.scheme == "http" and not is_loopback(parts.hostname or ""):
        raise InvalidInputError(f"{base_url} is not encrypted; the access token is not sent there")


class _Probing:
    """One wait for one endpoint: what it has answered so far."""

    def __init__(
        self, endpoint: ServingEndpoint, probe: Probe, transport: Transport, until: float
    ) -> None:
        self.endpoint = endpoint
        self.probe = probe
        self.transport = transport
        self.last_error: DIError | None = None
        self._until = until
        self._longest = _FIRST_REQUEST_S
        self._answered: list[str] = []
        self._listed = False
        self._unsure = 0

    async def round(self) -> str | NotYet:
        """Send one probe; return what came back, or why it does not count yet."""
        probe = self.probe
        try:
            async with asyncio.timeout(self._patience()):
                return await (self._call(probe) if callable(probe) else self._ask(probe == "chat"))
        except TimeoutError:
            self._longest = min(2 * self._longest, _LONGEST_REQUEST_S)
            return NotYet("no response in time")

    def _patience(self) -> float:
        left = self._until - asyncio.get_running_loop().time()
        return min(self._longest, left) if left > 0 else _ONLY_TRY_S  # with timeout=0

    async def _ask(self, chat: bool) -> str | NotYet:
        if not self._listed and (missing := await self._list()):
            return missing
        models = self.endpoint.models
        if not chat:
            return f"it lists {', '.join(models)}"
        for model in models[:MAX_PROBED_MODELS]:
            if model not in self._answered:
                answer = await self._send(chat_request(model))
                if isinstance(answer, NotYet):
                    return answer
                if not is_completion(answer):
                    return NotYet(f"the response for {model} is not a completion")
                self._answered.append(model)
        return f"a completion of {', '.join(self._answered)} came back"

    async def _list(self) -> NotYet | None:
        answer = await self._send(list_request())
        if isinstance(answer, NotYet):
            return answer
        models = listed_models(answer)
        if not models:
            return NotYet("it lists no model", answer.status)
        self.endpoint.models, self._listed = models, True
        return None

    async def _send(self, request: Request) -> Response | NotYet:
        key = self.endpoint.access_token
        plain = {"Content-Type": "application/json"} if request.body else {}
        if key is not None:
            plain["Authorization"] = f"Bearer {key.reveal()}"
        headers = SecretHeaders(plain)
        del plain
        try:
            answer = await self.transport.send(request, headers, _do_nothing)
        except TransportError as error:
            if isinstance(error.__cause__, ssl_module.SSLCertVerificationError):
                raise _refused(self.endpoint, error) from error
            self.last_error = error
            return NotYet(str(error))
        except DecodeError as error:
            self.last_error = error
            return NotYet(str(error))
        verdict = judge_status(request, answer, key)
        if isinstance(verdict, Refusal):
            return self._refuse(verdict)
        self._unsure = 0
        return answer if verdict is None else verdict

    def _refuse(self, refusal: Refusal, text: str | None = None) -> NotYet:
        """Raise a refusal that is final; return another as not yet. `text` is of an own probe."""
        self._unsure += 1
        if refusal.is_sure or self._unsure >= _UNSURE_REFUSALS:
            raise _refused(self.endpoint, refusal.error, text) from refusal.error
        self.last_error = refusal.error
        return NotYet(text or str(refusal.error), refusal.error.status)

    async def _call(self, own: Callable[[ServingEndpoint], Awaitable[object]]) -> str | NotYet:
        """Call the caller's probe: it answers unless the result is False."""
        if not self._listed and (missing := await self._list_for_probe()):
            return missing
        try:
            answers = await own(self.endpoint)
        except (OSError, DIError) as error:
            return NotYet(self._describe(error))
        except IndexError:
            if self.endpoint.models:
                raise
            return NotYet("the probe failed: no models are listed yet")
        except Exception as error:
            return self._judge_error(error)
        self._unsure = 0
        return NotYet("the probe returned False") if answers is False else "the probe succeeded"

    async def _list_for_probe(self) -> NotYet | None:
        """List the models for the caller's probe; return why the endpoint does not answer at all.

        An endpoint need not list its models.
        """
        try:
            async with asyncio.timeout(self._patience() / 2):
                missing = await self._list()
        except TimeoutError:
            return None
        except WaitRefusedError as refused:
            if isinstance(refused.last_error, TransportError):
                raise  # its certificate is not trusted
            self._listed = True
            return None
        if missing is None:
            return None
        if missing.status == _NOT_IMPLEMENTED:
            self._listed = True
            return None
        serves = missing.status is not None and missing.status < 500
        return None if serves else missing

    def _judge_error(self, error: Exception) -> NotYet:
        """Return why a probe that used an HTTP library failed, or raise what is not for later."""
        if not of_http_library(error):
            raise error
        text = self._describe(error)
        status = getattr(error, "status_code", None) or getattr(error, "status", None)
        if not isinstance(status, int):
            return NotYet(text)
        body = getattr(getattr(error, "response", None), "content", b"")
        answer = Response(status, {}, body if isinstance(body, bytes) else b"")
        verdict = judge_status(Request("GET", ""), answer, self.endpoint.access_token)
        if isinstance(verdict, Refusal):
            return self._refuse(verdict, text)
        self._unsure = 0
        return NotYet(text, status)

    def _describe(self, error: Exception) -> str:
        key = self.endpoint.access_token
        text = f"the probe failed: {type(error).__name__}: {error}"
        return redact(text, [key.reveal()] if key else ())


async def _do_nothing() -> None:
    """Check nothing; let the HTTP library repeat a request at once."""


def of_http_library(error: Exception) -> bool:
    """Return whether an HTTP library, or the `openai` package, raised this."""
    return type(error).__module__.partition(".")[0] in _OF_HTTP_LIBRARIES


def _refused(
    endpoint: ServingEndpoint, error: DIError, text: str | None = None
) -> WaitRefusedError:
    status = getattr(error, "status", 0)
    if status in (401, 403):
        fix = "pass an access token of this deployment"
    elif text:
        fix = "check the request of the probe"
    elif status:
        fix = "if its models do not chat, pass probe='models' or a probe of yours"
    else:
        fix = "trust its CA: with private=True for a private endpoint, else by the client's ssl="
    return WaitRefusedError(
        f"{endpoint.base_url} cannot be used: {(text or str(error)).rstrip('.')}; {fix}.",
        id=endpoint.id,
        last_error=error,
    )


def _timed_out(endpoint: ServingEndpoint, last: NotYet, probing: "_Probing") -> WaitTimeoutError:
    chats = probing.probe == "chat" and last.status == 404
    hint = ". If its models do not chat, pass probe='models'" if chats else ""
    return WaitTimeoutError(
        f"{endpoint.base_url} does not answer within the timeout: {last.reason}{hint}.",
        id=endpoint.id,
        last_error=probing.last_error,
    )
