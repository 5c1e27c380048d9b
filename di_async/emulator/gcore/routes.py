"""Which operation a request asks for, and what stands in its path.

Rules of this file: patterns and path segments; the first pattern that fits wins.
"""

from collections.abc import Iterable

from attrs import frozen


@frozen
class Route:
    """An operation's method and path; parts in braces match any one segment."""

    operation: str
    method: str
    parts: tuple[str, ...]

    @staticmethod
    def of(operation: str) -> "Route":
        """The route of an operation told as `METHOD /path/{part}`."""
        method, _, path = operation.partition(" ")
        return Route(operation, method, tuple(path.strip("/").split("/")))

    def fits(self, segments: tuple[str, ...]) -> bool:
        """Whether the path is this one's, whatever the method."""
        return len(segments) == len(self.parts) and all(
            part == segment or _is_open(part)
            for part, segment in zip(self.parts, segments, strict=True)
        )

    def values(self, segments: tuple[str, ...]) -> dict[str, str]:
        """What stands for the parts in braces."""
        pairs = zip(self.parts, segments, strict=True)
        return {part.strip("{}"): segment for part, segment in pairs if _is_open(part)}


class Routes:
    """A table of operations."""

    def __init__(self, operations: Iterable[str]) -> None:
        self._routes = [Route.of(operation) for operation in operations]
        self._by_operation = {route.operation: route for route in self._routes}

    def find(self, method: str, segments: tuple[str, ...]) -> str | None:
        """The operation, or None."""
        fitting = (route for route in self._routes if route.fits(segments))
        return next((route.operation for route in fitting if route.method == method), None)

    def known(self, segments: tuple[str, ...]) -> bool:
        """Whether the path has an operation, of any method."""
        return any(route.fits(segments) for route in self._routes)

    def values(self, operation: str, segments: tuple[str, ...]) -> dict[str, str]:
        """What stands for the parts in braces of an operation's path."""
        return self._by_operation[operation].values(segments)


def _is_open(part: str) -> bool:
    return part.startswith("{")
