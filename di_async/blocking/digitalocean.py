"""`di_async.digitalocean` for code without async: its models, specs and blocking clients."""

import di_async.blocking.engine
import di_async.digitalocean
from di_async.blocking.derive import mirror

globals().update(mirror(di_async.digitalocean))
