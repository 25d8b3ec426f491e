"""What is generated from the code is up to date, and the check would notice if it were not."""

import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]
NAMES = ["config/relay.schema.json", "docs/configuration.md", "docs/cli.md"]


def generate(*arguments: str) -> tuple[int, str]:
    """Run the generator; return its exit code and what it says."""
    done = subprocess.run(
        [sys.executable, ROOT / "tools" / "generate.py", *arguments],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
    )
    return done.returncode, done.stdout + done.stderr


def test_what_is_committed_is_what_the_code_says() -> None:
    """The schema, the configuration reference and the commands' help."""
    assert generate("--check") == (0, "")


def test_what_is_out_of_date_is_named(tmp_path: Path) -> None:
    """A check writes nothing; without it what is missing or old is written."""
    hint = "is not up to date: run tools/generate.py"
    assert generate("--check", "--directory", str(tmp_path)) == (
        1,
        "".join(f"{name} {hint}\n" for name in NAMES),
    )
    assert list(tmp_path.iterdir()) == []
    assert generate("--directory", str(tmp_path)) == (0, "".join(f"{name}\n" for name in NAMES))
    assert generate("--check", "--directory", str(tmp_path)) == (0, "")
    (tmp_path / "docs" / "cli.md").write_text("old")
    assert generate("--check", "--directory", str(tmp_path)) == (1, f"docs/cli.md {hint}\n")
