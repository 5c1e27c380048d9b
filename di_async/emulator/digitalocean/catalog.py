"""What the emulated DigitalOcean offers: regions, GPU sizes, models.

Field values are ours where no vendor page has one; prices are those of
https://docs.digitalocean.com/products/inference/details/pricing/ as once quoted.
"""

import re
from collections.abc import Sequence

from attrs import frozen

REGIONS = ("atl1", "nyc2", "tor1")


@frozen
class Size:
    """A GPU size."""

    slug: str
    price: str
    regions: tuple[str, ...]
    cpu: int
    memory_mib: int
    gpus: int
    vram_gb: int
    family: str


@frozen
class OfferedModel:
    """A supported model, and the GPUs it runs on."""

    slug: str
    name: str
    gpu_slugs: tuple[str, ...]
    gated: bool = False


SIZES = (
    Size("gpu-mi300x1-192gb", "2.59", REGIONS, 20, 245760, 1, 192, "mi300x"),
    Size("gpu-mi300x8-1536gb", "20.72", REGIONS, 160, 1966080, 8, 1536, "mi300x"),
    Size("gpu-mi325x1-256gb", "2.98", ("atl1", "nyc2"), 20, 167936, 1, 256, "mi325x"),
    Size("gpu-h100x1-80gb", "4.41", REGIONS, 20, 245760, 1, 80, "h100"),
)

_ANY = tuple(size.slug for size in SIZES)

MODELS = (
    OfferedModel("mistral/mistral-7b-instruct-v3", "Mistral-7B-Instruct-v0.3", _ANY),
    OfferedModel("openai/gpt-oss-20b", "gpt-oss-20b", _ANY),
    OfferedModel("openai/gpt-oss-120b", "gpt-oss-120b", _ANY[:3]),
    OfferedModel("Qwen/Qwen3-32B", "Qwen3-32B", _ANY),
    OfferedModel("meta-llama/Llama-3.1-8B-Instruct", "Llama-3.1-8B-Instruct", _ANY, gated=True),
)

SIZES_BY_SLUG = {size.slug: size for size in SIZES}
SLUG = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*(?:/[A-Za-z0-9][A-Za-z0-9._-]*)?")
# Repositories that need a Hugging Face token.
_GATED = ("meta-llama/", "google/gemma")


def is_gated(slug: str) -> bool:
    """Return whether a Hugging Face repository needs a token."""
    return slug.startswith(_GATED)


def offered_model(
    slug: str, name: str | None = None, gpus: Sequence[str] = (), *, gated: bool = False
) -> OfferedModel:
    """Return a model that runs on these GPUs, by default on all."""
    return OfferedModel(slug, name or slug, tuple(gpus) or _ANY, gated)


class ModelCatalog:
    """The models of one world: those above, those added, and any other one by its slug.

    The vendor adds models all the time, so a slug that is not listed is accepted, on any GPU.
    """

    def __init__(self) -> None:
        self._models = {model.slug: model for model in MODELS}

    def add(self, model: OfferedModel) -> None:
        """Add a model, or replace one."""
        if not SLUG.fullmatch(model.slug):
            raise ValueError(f"{model.slug!r} is not a model slug such as 'vendor/model'")
        unknown = set(model.gpu_slugs) - set(_ANY)
        if unknown:
            raise ValueError(f"unknown GPU slugs: {', '.join(sorted(unknown))}")
        self._models[model.slug] = model

    def find(self, slug: str) -> OfferedModel | None:
        """Return a model; None for what cannot be a slug."""
        found = self._models.get(slug)
        if found is None and SLUG.fullmatch(slug):
            return OfferedModel(slug, slug, _ANY, is_gated(slug))
        return found

    def listed(self) -> tuple[OfferedModel, ...]:
        """Return the models that the API lists."""
        return tuple(self._models.values())


# Returned by /ca unless the HTTP server sets its own CA; its key does not exist any more.
CA_PEM = """\
-----BEGIN CERTIFICATE-----
MIIBzzCCAXWgAwIBAgIUK6XQP3gyxJOJDyw/hOmmLdR8EiEwCgYIKoZIzj0EAwIw
QzEaMBgGA1UECgwRZGktYXN5bmMgZW11bGF0b3IxJTAjBgNVBAsMHFRlc3Rpbmcg
Q0EgIzFfNF81MDBmNXJab0kzb0EwIBcNMDAwMTAxMDAwMDAwWhgPMzAwMDAxMDEw
MDAwMDBaMEMxGjAYBgNVBAoMEWRpLWFzeW5jIGVtdWxhdG9yMSUwIwYDVQQLDBxU
ZXN0aW5nIENBICMxXzRfNTAwZjVyWm9JM29BMFkwEwYHKoZIzj0CAQYIKoZIzj0D
AQcDQgAE9cpMDbY0nZuXxyjrT0aC2tJmqHBPpe2MZlIFIB8iEhjFC3uhnMYawNbl
cIgbdCNpLpY/DB0iZAQHHKWxl99S1aNFMEMwHQYDVR0OBBYEFA7ollxo94bX4ZOs
/k55+rQt3D6KMBIGA1UdEwEB/wQIMAYBAf8CAQkwDgYDVR0PAQH/BAQDAgGGMAoG
CCqGSM49BAMCA0gAMEUCIC+83JxShFj9aUPoZJFYCpfnc+KJoHD/Ox+0QPd3yQ8i
AiEA3QR8lGAU8YW7fO9Lyppuw0iedYLKkM3PM1Yg69zb37g=
-----END CERTIFICATE-----
"""
