#!/usr/bin/env python3
"""
Put the client's types together: one file of what ``tsc`` makes of each module.

    tools/client_types.py FOLDER           write relay/static/client.d.ts
    tools/client_types.py FOLDER --check   compare it instead

FOLDER has the declarations that ``tsc --project tools/tsconfig.client.json`` made.
"""

import re
import sys
from pathlib import Path

MODULES = ("core/wire", "core/connection", "core/intake", "net/errors", "net/relay", "net/stream")
"""In the order in which they stand in the file."""

VALUES = ("LogStream", "RefusedError", "histogram", "history", "status", "Intake")
"""What is no type and may be seen."""

TARGET = Path(__file__).parent.parent / "relay/static/client.d.ts"

HEAD = "// Made by `make types` from the JSDoc of client.js; do not edit.\n\n"

_STATEMENT = re.compile(
    r"^(?:/\*\*(?:(?!\*/).)*\*/\n)?export .*?(?=^(?:export|import|/\*\*)|\Z)",
    re.DOTALL | re.MULTILINE,
)
_COMMENT = re.compile(r"\A/\*\*.*?\*/\n", re.DOTALL)


def statements(text: str) -> list[str]:
    """Return the statements of one module that are wanted, without what its types import."""
    kept = []
    for statement in _STATEMENT.findall(text):
        body = _COMMENT.sub("", statement)
        kind, name = body.split()[1:3]
        if kind == "type":
            # What stands above is the module's own comment, repeated for each type.
            kept.append(body)
        elif re.split(r"\W", name)[0] in VALUES:
            # Nothing makes an Intake but a LogStream.
            kept.append(statement.replace("export class Intake", "declare class Intake"))
    return kept


def together(folder: Path) -> str:
    """Return the whole file."""
    parts = [
        statement.rstrip() + "\n"
        for module in MODULES
        for statement in statements((folder / f"{module}.d.ts").read_text())
    ]
    return HEAD + re.sub(r'import\("[^"]+"\)\.', "", "\n".join(parts))


def main() -> int:
    """Write or compare."""
    made = together(Path(sys.argv[1]))
    if "--check" in sys.argv[2:]:
        if TARGET.read_text() == made:
            return 0
        print("relay/static/client.d.ts is not what client.js says: make types", file=sys.stderr)
        return 1
    TARGET.write_text(made)
    return 0


if __name__ == "__main__":
    sys.exit(main())
