"""
Certificates of the tests' own: an authority, and who it vouches for.
"""

import datetime
import ipaddress
from dataclasses import dataclass
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

__all__ = ["Authority", "Certificate"]

LASTS = datetime.timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Certificate:
    """
    Two files.

    Args:
        cert: the certificate.
        key: its private key.
    """

    cert: Path
    key: Path


class Authority:
    """
    Vouches for others; its own certificate is ``ca.pem``.

    Args:
        directory: for all files.
        name: its own.
    """

    def __init__(self, directory: Path, name: str = "authority of the tests") -> None:
        directory.mkdir(exist_ok=True)
        self._directory = directory
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._name = _name(name)
        self.ca = directory / "ca.pem"
        made = self._unsigned(self._name, self._key)
        made = made.add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        self.ca.write_bytes(self._signed(made))

    def vouch(self, name: str) -> Certificate:
        """Make a certificate, as a server's on loopback and a client's alike."""
        files = Certificate(self._directory / f"{name}.pem", self._directory / f"{name}.key")
        key = ec.generate_private_key(ec.SECP256R1())
        loopback = x509.IPAddress(ipaddress.ip_address("127.0.0.1"))
        made = self._unsigned(_name(name), key).add_extension(
            x509.SubjectAlternativeName([loopback]), critical=False
        )
        files.cert.write_bytes(self._signed(made))
        files.key.write_bytes(
            key.private_bytes(
                serialization.Encoding.PEM,
                serialization.PrivateFormat.PKCS8,
                serialization.NoEncryption(),
            )
        )
        return files

    def _unsigned(
        self, name: x509.Name, key: ec.EllipticCurvePrivateKey
    ) -> x509.CertificateBuilder:
        now = datetime.datetime.now(datetime.UTC)
        return (
            x509.CertificateBuilder()
            .subject_name(name)
            .issuer_name(self._name)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - LASTS)
            .not_valid_after(now + LASTS)
        )

    def _signed(self, made: x509.CertificateBuilder) -> bytes:
        return made.sign(self._key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)


def _name(name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
