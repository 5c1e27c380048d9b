"""The tests of `di_async.engine.deployments`."""
