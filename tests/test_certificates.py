"""What :mod:`relay.certificates` reads, and when."""

import ssl
import threading
import time
from pathlib import Path

import pytest

from relay.certificates import read_beside, wait

CERTIFICATE = """\
-----BEGIN CERTIFICATE-----
MIIBbzCCARWgAwIBAgIUbxypnheJlhKVY3/pBJ33YfSP050wCgYIKoZIzj0EAwIw
DDEKMAgGA1UEAwwBYTAgFw0yNjExMjEyMjAyNTRaGA8yMTI2MTAyODIyMDI1NFow
DDEKMAgGA1UEAwwBYTBZMBMGByqGSM49AgEGCCqGSM49AwEHA0IABKfHcdu0jCdI
+nIsYbk4AQq0mvuTwkhy3H678eliSf6H32Fhifa+8EdQLHlaQOoYHZgYcvnl5LB/
E9TDU3UhgEajUzBRMB0GA1UdDgQWBBSDddvPKMkhTAICkwmzIMg5ibvLQjAfBgNV
HSMEGDAWgBSDddvPKMkhTAICkwmzIMg5ibvLQjAPBgNVHRMBAf8EBTADAQH/MAoG
CCqGSM49BAMCA0gAMEUCIQDVUo6S6uxxlRmIzJZcfPBx8n79g3oHFfThswdgd0IR
5AIgTNz4RTYmREngOnTs8UPz0368JVA3GnfYHFvTaWIUUC4=
-----END CERTIFICATE-----
"""


@pytest.fixture(autouse=True)
def trusted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the system trust one authority."""
    file = tmp_path / "ca.pem"
    file.write_text(CERTIFICATE)
    monkeypatch.setenv("SSL_CERT_FILE", str(file))
    monkeypatch.setenv("SSL_CERT_DIR", str(tmp_path))


def test_a_context_has_the_certificates_that_it_would_have_had(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """They are read beside, into the same context, and waited for."""
    read, may_read = ssl.SSLContext.load_default_certs, threading.Event()

    def read_slowly(context: ssl.SSLContext, purpose: ssl.Purpose) -> None:
        assert may_read.wait(30)
        time.sleep(0.05)
        read(context, purpose)

    monkeypatch.setattr(ssl.SSLContext, "load_default_certs", read_slowly)
    with read_beside():
        context = ssl.create_default_context()
    assert context.get_ca_certs() == []
    may_read.set()
    wait()
    assert context.get_ca_certs() == ssl.create_default_context().get_ca_certs() != []


def test_what_cannot_be_read_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    """To whoever waits: nobody connects by an empty context."""

    def fail(context: ssl.SSLContext, purpose: ssl.Purpose) -> None:
        raise ssl.SSLError("x")

    monkeypatch.setattr(ssl.SSLContext, "load_default_certs", fail)
    with read_beside():
        ssl.create_default_context()
    with pytest.raises(ssl.SSLError, match="x"):
        wait()
    wait()


def test_contexts_are_made_as_ever_afterwards() -> None:
    """Also where what is done meanwhile fails."""
    before = ssl.SSLContext.load_default_certs
    with pytest.raises(ValueError, match=r"^x$"), read_beside():
        raise ValueError("x")
    assert ssl.SSLContext.load_default_certs is before
