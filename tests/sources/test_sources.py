"""The table of all sources."""

import subprocess
import sys

from relay.sources import MODELS, SOURCES


def test_each_type_has_its_source_and_model() -> None:
    """A type's model is that of its source."""
    assert list(SOURCES) == [
        "file",
        "process",
        "stdin",
        "push",
        "docker",
        "cloudwatch",
        "cloudwatch-push",
        "relay",
    ]
    assert {kind: SOURCES[kind].__name__ for kind in SOURCES} == {
        "file": "FileSource",
        "process": "ProcessSource",
        "stdin": "StdinSource",
        "push": "PushSource",
        "docker": "DockerSource",
        "cloudwatch": "CloudwatchSource",
        "cloudwatch-push": "CloudwatchPushSource",
        "relay": "OwnLogSource",
    }
    assert [MODELS[kind] for kind in MODELS] == [SOURCES[kind].Options for kind in SOURCES]


def test_only_what_is_asked_for_is_imported() -> None:
    """A start does not wait for sources that are not configured."""
    program = (
        "import sys; from relay.sources import MODELS; MODELS['stdin']; 'push' in MODELS;"
        "print([name for name in ('file', 'process', 'push', 'stdin')"
        " if f'relay.sources.{name}' in sys.modules])"
    )
    ran = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert ran.stdout == "['stdin']\n"
