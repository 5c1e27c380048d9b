"""How lists look that only DigitalOcean has."""

from di_async.cli.output import Column, when
from di_async.digitalocean import Accelerator, AccessToken, Size

__all__ = ["ACCELERATORS", "SIZES", "TOKENS"]

ACCELERATORS: tuple[Column[Accelerator], ...] = (
    Column("name", lambda a: a.name),
    Column("gpu", lambda a: a.slug),
    Column("status", lambda a: a.status, status=True),
    Column("id", lambda a: a.id),
    Column("role", lambda a: a.role, wide=True),
    Column("created", lambda a: when(a.created_at), wide=True),
)
TOKENS: tuple[Column[AccessToken], ...] = (
    Column("name", lambda t: t.name),
    Column("id", lambda t: t.id),
    Column("created", lambda t: when(t.created_at), wide=True),
    Column("managed", lambda t: "yes" if t.is_managed else "no", wide=True),
)
SIZES: tuple[Column[Size], ...] = (
    Column("gpu", lambda s: s.gpu_slug),
    Column("per hour", lambda s: s.price_per_hour, right=True),
    Column("currency", lambda s: s.currency),
    Column("regions", lambda s: ",".join(s.regions)),
)
