"""Blocking classes of what all clients have in common; the types are in `engine.pyi`."""

from di_async.blocking.derive import carry, derive
from di_async.blocking.written import BlockingClient, BlockingTemporary
from di_async.engine import client, listing, resource_api
from di_async.engine.deployments import deployable_api
from di_async.engine.deployments import temporary as temporary_
from di_async.engine.endpoints import serving
from di_async.engine.waiting import account_watch, change, event_stream
from di_async.engine.writes import ensure

__all__ = [
    "AccountWatch",
    "Change",
    "Client",
    "DeployableApi",
    "Ensured",
    "EventStream",
    "Listing",
    "ResourceApi",
    "ServingEndpoint",
    "StatusStream",
    "Temporary",
]

Listing = derive(listing.Listing)
ServingEndpoint = derive(serving.ServingEndpoint)
StatusStream = derive(event_stream.StatusStream)
EventStream = derive(event_stream.EventStream)
AccountWatch = derive(account_watch.AccountWatch)
Change = derive(change.Change)
Ensured = carry(ensure.Ensured)
Temporary = derive(temporary_.Temporary, base=BlockingTemporary)
ResourceApi = derive(resource_api.ResourceApi)
DeployableApi = derive(deployable_api.DeployableApi)
Client = derive(client.Client, base=BlockingClient)
