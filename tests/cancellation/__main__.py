"""Print what the cancellation sweep finds: `python -m tests.cancellation [PART OF A NAME]`."""

import sys
from collections import Counter

from tests.cancellation.sweep import sweep


def main() -> int:
    """Return 1 if something was lost."""
    part = sys.argv[1] if len(sys.argv) > 1 else ""
    cancelled, operations, problems = 0, Counter[str](), 0
    for result in sweep(lambda operation: part in str(operation)):
        cancelled += 1
        operations[str(result.operation)] += 1
        for problem in result.problems:
            problems += 1
            print(f"{result}: {problem}")  # noqa: T201 - a report
    print(f"{cancelled} cancellations of {len(operations)} operations: {problems} problems")  # noqa: T201
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
