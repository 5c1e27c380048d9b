"""The package for code without async: the same names, called without `await`.

with DigitalOcean() as do:
    change = do.dedicated_inferences.create(spec)
    di = change.wait(timeout=3600)

All clients share one event loop in a thread of its own. Calls may be made from any thread, also
beside a running event loop, which they block. The page "Without async" has more.
"""

import importlib

import di_async

__all__ = di_async.__all__  # pyright: ignore[reportUnsupportedDunderAll]

# The module of each name that blocks; the others are the package's own.
_MODULES = {
    "Change": "engine",
    "DigitalOcean": "digitalocean",
    "Ensured": "engine",
    "Exoscale": "exoscale",
    "Gcore": "gcore",
    "ServingEndpoint": "engine",
    "WaitReport": "fleet",
    "apply": "fleet",
    "as_completed": "fleet",
    "reap": "fleet",
    "scan": "fleet",
    "wait_all": "fleet",
}


def __getattr__(name: str) -> object:
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    ours = _MODULES.get(name)
    module = importlib.import_module(f"{__name__}.{ours}") if ours else di_async
    value = globals()[name] = getattr(module, name)
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
