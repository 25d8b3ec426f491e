"""The page's core and net, tested by Node's own runner."""

import subprocess
from pathlib import Path

HERE = Path(__file__).parent


def test_what_knows_no_document() -> None:
    """Every ``*.test.mjs`` here passes."""
    files = sorted(str(path) for path in HERE.glob("*.test.mjs"))
    done = subprocess.run(
        ["node", "--test", *files], capture_output=True, text=True, timeout=120, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
