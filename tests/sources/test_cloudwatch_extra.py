"""AWS's libraries: loaded where they are needed, and what is said where they are not there."""

import subprocess
import sys
from pathlib import Path

CONFIG = '[sources.aws]\ntype = "cloudwatch"\nlog_group = "/app"\n'

HIDE = 'import sys; sys.modules["aiobotocore"] = None;'

LOADED = "print(sorted(m for m in sys.modules if m in ('aiobotocore', 'botocore', 'boto3')))"


def ran(program: str, *arguments: str) -> tuple[int, str]:
    """Run a program; return its exit code and all that it says."""
    done = subprocess.run(
        [sys.executable, "-c", program, *arguments], capture_output=True, text=True, timeout=60
    )
    return done.returncode, done.stdout + done.stderr


def test_a_relay_without_such_a_source_loads_none_of_them() -> None:
    """Nor does one whose pushes come from AWS, nor the model of a source's table."""
    program = (
        "import sys, asyncio, relay.cli; from relay.app import Relay;"
        "from relay.config.loader import build; from relay.sources import MODELS;"
        "tables = {'aws': {'type': 'cloudwatch-push', 'channels': '*'}, 'in': {'type': 'stdin'}};"
        "config = build({'sources': tables, 'server': {'listen': '127.0.0.1:0'}}, 'x', MODELS);"
        "list(map(MODELS.get, MODELS));"
        "runner = asyncio.Runner(); relay = runner.run(asyncio.to_thread(Relay, config));" + LOADED
    )
    assert ran(program) == (0, "[]\n")


def test_a_configuration_that_needs_them_says_what_to_install(tmp_path: Path) -> None:
    """Before anything starts, and with the other errors."""
    file = tmp_path / "relay.toml"
    file.write_text(CONFIG)
    program = f'{HIDE} from relay.cli import main; sys.argv[0:1] = ["relay", "check"]; main()'
    assert ran(program, str(file)) == (
        2,
        (
            f'{file}: sources.aws.type: expected "cloudwatch" with its extra '
            "(run pip install 'logrelay[cloudwatch]'), got 'cloudwatch'\n"
        ),
    )


def test_a_library_that_cannot_be_loaded_is_the_sources_status() -> None:
    """It is there, and one that it needs is not."""
    program = (
        'import sys, asyncio; sys.modules["botocore"] = None;'
        "from relay.sources.cloudwatch_client import Clients, Connection\n"
        "try: asyncio.run(Clients(Connection(), None).of('eu-central-1'))\n"
        "except Exception as error: print(type(error).__name__, error)"
    )
    assert ran(program) == (
        0,
        (
            "SourceError cannot import aiobotocore (import of botocore halted; None in "
            "sys.modules); run pip install 'logrelay[cloudwatch]'\n"
        ),
    )
