"""Certificates of applications, as an administrator makes them with openssl."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    KeySerializationEncryption,
    NoEncryption,
    PrivateFormat,
    pkcs12,
)
from cryptography.x509.oid import NameOID


def made() -> tuple[rsa.RSAPrivateKey, x509.Certificate]:
    """A key and a self-signed certificate of today."""
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "dirsync")])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=30))
        .sign(key, hashes.SHA256())
    )
    return key, certificate


def pem_file(folder: Path, *, password: str = "") -> tuple[Path, str]:
    """A PEM file with key and certificate, and the certificate alone, as it is uploaded."""
    key, certificate = made()
    locked: KeySerializationEncryption = BestAvailableEncryption(password.encode()) if password else NoEncryption()
    public = certificate.public_bytes(Encoding.PEM)
    file = folder / "dirsync.pem"
    file.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, locked) + public)
    return file, public.decode()


def pfx_file(folder: Path, *, password: str = "") -> tuple[Path, str]:
    """The same as PKCS #12."""
    key, certificate = made()
    locked: KeySerializationEncryption = BestAvailableEncryption(password.encode()) if password else NoEncryption()
    file = folder / "dirsync.pfx"
    file.write_bytes(pkcs12.serialize_key_and_certificates(b"dirsync", key, certificate, None, locked))
    return file, certificate.public_bytes(Encoding.PEM).decode()
