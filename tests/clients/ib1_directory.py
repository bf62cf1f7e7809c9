"""Icebreaker One's own package, ib1-directory, at work: it issues certificates, and reads what a service gets.

    ib1_directory.py issue      makes an authority's root and issuer, and a certificate for each request
    ib1_directory.py read       reads certificates from headers, each with the role to ask for

Both take JSON and print JSON.

`issue` takes a list of {"name", "organization", "roles", "member", "server"} and prints {"root", "certificates"}, the
latter a list of {"chain", "key"}: the certificate with its issuer's, and its key, in PEM.

`read` takes a list of {"header", "role"} and prints one of {"subject", "roles", "member", "refusal"}; `refusal` is what a
service of theirs would say, or null.
"""

import json
import sys

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization

from ib1.directory import certificates, extensions
from ib1.directory.exceptions import CertificateError
from ib1.directory.utils import parse_cert


def pem(certificate):
    return certificate.public_bytes(serialization.Encoding.PEM)


def issue(requests):
    root_key, root = certificates.create_signing_pair()
    issuer_key, issuer = certificates.create_signing_pair(kind="Issuer", ca_cert=root, ca_key=root_key)

    def one(request):
        key = certificates.generate_key()
        subject = certificates.build_subject("GB", "London", request["organization"], request["name"])
        signing_request = x509.CertificateSigningRequestBuilder().subject_name(subject).sign(key, hashes.SHA256())
        certificate = certificates.sign_csr(
            issuer,
            issuer_key,
            signing_request.public_bytes(serialization.Encoding.PEM),
            subject,
            roles=request.get("roles"),
            member=request.get("member"),
            server=request.get("server", False),
        )
        own = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
        return {"chain": certificates.get_bundle(pem(certificate), pem(issuer)).decode(), "key": own.decode()}

    return {"root": pem(root).decode(), "certificates": [one(request) for request in requests]}


def attempt(function, *arguments):
    """The result and no refusal, or no result and what was wrong."""
    try:
        return function(*arguments), None
    except CertificateError as refusal:
        return None, str(refusal)


def read(requests):
    def one(request):
        certificate = parse_cert(request["header"])
        _, refusal = attempt(extensions.require_role, request["role"], certificate)
        return {
            "subject": certificate.subject.rfc4514_string(),
            "roles": attempt(extensions.decode_roles, certificate)[0],
            "member": attempt(extensions.decode_member, certificate)[0],
            "refusal": refusal,
        }

    return [one(request) for request in requests]


if __name__ == "__main__":
    commands = {"issue": issue, "read": read}
    if len(sys.argv) != 2 or sys.argv[1] not in commands:
        sys.exit(__doc__)
    json.dump(commands[sys.argv[1]](json.load(sys.stdin)), sys.stdout)
