"""The engine that the tests start for themselves, before anything rests on it."""

from tests.docker_engine import Engine


def test_a_container_of_the_image_can_be_run_and_read(engine: Engine) -> None:
    """What it says can be read back from the engine, and it ends with its code."""
    engine.run("speaker", "echo hello; echo trouble >&2; exit 7")
    assert engine.wait("speaker") == 7
    done = engine.try_docker("logs", "speaker")
    assert (done.stdout, done.stderr) == ("hello\n", "trouble\n")


def test_containers_go_on_over_a_restart_with_live_restore(engine: Engine) -> None:
    """The engine is a new one, the container is not."""
    engine.stop()
    engine.start(live_restore=True)
    engine.run("lasting", "sleep 1000")
    started = engine.docker("inspect", "--format", "{{.State.StartedAt}}", "lasting")
    engine.stop()
    engine.start(live_restore=True)
    again = engine.docker(
        "inspect", "--format", "{{.State.Running}} {{.State.StartedAt}}", "lasting"
    )
    assert again == f"true {started}"
    engine.remove_all()
    engine.stop()
    engine.start()
