"""Which containers are read, and what their channels are named after."""

from pathlib import Path

import pytest

from relay.sources.docker_facts import Container
from relay.sources.docker_selection import Choice, Selection, own_container, words_of

LABELS = {
    "com.docker.compose.service": "web",
    "com.docker.compose.project": "shop",
    "team": "blue",
}
WEB = Container("0123456789ab" + "0" * 52, "shop-web-1", "nginx:1", LABELS, "running")


@pytest.mark.parametrize(
    ("choice", "is_chosen"),
    [
        (Choice(), True),
        (Choice(containers=["*"]), True),
        (Choice(containers=["db", "shop-*"]), True),
        (Choice(containers=["web"]), False),
        (Choice(containers=["0123456789ab"]), True),
        (Choice(containers=["0123456789a"]), False),
        (Choice(label=["team"]), True),
        (Choice(label=["team=bl*"]), True),
        (Choice(label=["team=red", "other"]), False),
        (Choice(project=["shop"], service=["web"]), True),
        (Choice(project=["shop"], service=["db"]), False),
        (Choice(image=["nginx:*"]), True),
        (Choice(image=["nginx"]), False),
    ],
)
def test_what_is_chosen(choice: Choice, is_chosen: bool) -> None:
    """Of each list that says something one must hold."""
    assert Selection(choice).selects(WEB) is is_chosen


def test_any_list_excludes() -> None:
    """It beats what is chosen."""
    for exclude in (Choice(containers=["shop-*"]), Choice(label=["team"], image=["other"])):
        assert not Selection(Choice(), exclude).selects(WEB)
    assert Selection(Choice(), Choice(label=["other"])).selects(WEB)


def test_the_relay_s_own_is_never_chosen() -> None:
    """Whatever it is called."""
    assert not Selection(Choice(containers=["*"]), own=WEB.id).selects(WEB)


def test_words_of_a_template() -> None:
    """A label that is not there has a word too."""
    wanted = ["service", "label:team", "label:no"]
    assert words_of(WEB, wanted) == {
        "container": "shop-web-1",
        "service": "web",
        "project": "shop",
        "image": "nginx:1",
        "label:team": "blue",
        "label:no": "none",
    }


@pytest.mark.parametrize(
    ("mountinfo", "cgroup", "expected"),
    [
        ("", "0::/\n", None),
        ("", "9:name=systemd:/docker/" + "ab" * 32 + "\n", "ab" * 32),
        (f"1 2 8:1 /var/lib/docker/containers/{'cd' * 32}/hosts /etc/hosts rw\n", "", "cd" * 32),
        # It shares the network of another, and with it that one's files.
        (
            f"1 2 8:1 /var/lib/docker/containers/{'cd' * 32}/hosts /etc/hosts rw\n",
            f"9:name=systemd:/docker/{'ab' * 32}\n",
            "ab" * 32,
        ),
        ("", f"9:name=systemd:/docker/{'cd' * 32}/docker/{'ab' * 32}\n", "ab" * 32),
    ],
)
def test_the_container_that_the_relay_runs_in(
    tmp_path: Path, mountinfo: str, cgroup: str, expected: str | None
) -> None:
    """As the kernel tells it, by cgroups of either version."""
    (tmp_path / "mountinfo").write_text(mountinfo)
    (tmp_path / "cgroup").write_text(cgroup)
    assert own_container(tmp_path) == expected


def test_without_the_kernel_s_word_it_runs_in_none(tmp_path: Path) -> None:
    """Where there is no such file system."""
    assert own_container(tmp_path / "nothing") is None
