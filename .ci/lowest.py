"""Print pip constraints that pin each dependency of a user's install to its lowest version.

The lower bounds come from pyproject.toml: `dependencies` and all extras but those for work on
this repository. With `--extras` only the names of those extras are printed.
"""

import re
import sys
import tomllib
from pathlib import Path

NOT_FOR_USERS = {"bench", "dev", "docs", "mutation"}
REQUIREMENT = re.compile(r"([\w.-]+)(\[[^]]*\])?\s*([^;]*)")

project = tomllib.loads((Path(__file__).parent.parent / "pyproject.toml").read_text())["project"]
extras = project["optional-dependencies"]
wanted = [*project["dependencies"]]
for_users = sorted(extras.keys() - NOT_FOR_USERS)
if sys.argv[1:] == ["--extras"]:
    print(*for_users)
    sys.exit()
for extra in for_users:
    wanted += extras[extra]

for requirement in wanted:
    name, _, bounds = REQUIREMENT.match(requirement).groups()
    if name == project["name"]:
        continue
    lower = re.search(r">=\s*([\w.]+)", bounds)
    if lower is None:
        sys.exit(f"pyproject.toml sets no lower bound for {name!r}; write {name}>=VERSION")
    print(f"{name}=={lower[1]}")
