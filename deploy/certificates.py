"""`python deploy/certificates.py FOLDER`: an authority of this installation's own, and the certificates it signs.

OpenSearch's security plugin refuses to start without; a site with an authority of its own puts its files there
instead (ca.pem, node.pem, node-key.pem, admin.pem, admin-key.pem). What exists is left as it is.
"""

from __future__ import annotations

import sys
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

ORGANIZATION = "Incident Manager"
# deploy/opensearch/opensearch.yml names both.
NODE, ADMIN = "opensearch", "admin"
HOSTS = ("opensearch", "localhost")
DAYS = 825


def main(folder: Path) -> int:
    """Write what is missing; return 0."""
    names = ("ca", "node", "admin")
    if all((folder / f"{name}.pem").exists() for name in names):
        return 0
    folder.mkdir(parents=True, exist_ok=True)
    now = datetime.now(UTC)
    ca_key = ec.generate_private_key(ec.SECP256R1())
    ca_name = _name("Authority")
    ca = _builder(ca_name, ca_name, ca_key, now, days=3650)
    ca = ca.add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
    _write_certificate(folder / "ca.pem", ca.sign(ca_key, hashes.SHA256()))
    for file, common_name in (("node", NODE), ("admin", ADMIN)):
        key = ec.generate_private_key(ec.SECP256R1())
        usages = [ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH]
        one = _builder(_name(common_name), ca_name, key, now, days=DAYS)
        one = one.add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        one = one.add_extension(x509.ExtendedKeyUsage(usages), critical=False)
        if file == "node":
            alternatives = [*map(x509.DNSName, HOSTS), x509.IPAddress(ip_address("127.0.0.1"))]
            one = one.add_extension(x509.SubjectAlternativeName(alternatives), critical=False)
        _write_certificate(folder / f"{file}.pem", one.sign(ca_key, hashes.SHA256()))
        _write_key(folder / f"{file}-key.pem", key)
    # The authority's key is not kept: new certificates mean a new authority, for all at once.
    return 0


def _name(common_name: str) -> x509.Name:
    return x509.Name(
        [
            x509.NameAttribute(NameOID.ORGANIZATION_NAME, ORGANIZATION),
            x509.NameAttribute(NameOID.COMMON_NAME, common_name),
        ]
    )


def _builder(
    subject: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePrivateKey, now: datetime, *, days: int
) -> x509.CertificateBuilder:
    builder = x509.CertificateBuilder().subject_name(subject).issuer_name(issuer).public_key(key.public_key())
    builder = builder.serial_number(x509.random_serial_number())
    return builder.not_valid_before(now - timedelta(hours=1)).not_valid_after(now + timedelta(days=days))


def _write_certificate(path: Path, certificate: x509.Certificate) -> None:
    path.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))


def _write_key(path: Path, key: ec.EllipticCurvePrivateKey) -> None:
    path.touch(mode=0o600)
    path.write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
