"""A mail server for the tests. Prints one JSON line when it is ready and one for each mail; ends with its standard input.

Arguments: a folder for the certificates, and 'tls' (STARTTLS and a login are required) or 'plain'.
"""

import asyncio
import datetime
import email
import email.policy
import ipaddress
import json
import pathlib
import ssl
import sys

from aiosmtpd.smtp import SMTP, AuthResult
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

USER, PASSWORD = b"shop", b"swordfish"


def tell(**what):
    print(json.dumps(what), flush=True)


def certificate(name, key, issuer, issuer_key, is_ca):
    def named(text):
        return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)])

    now = datetime.datetime.now(datetime.timezone.utc)
    builder = (
        x509.CertificateBuilder()
        .subject_name(named(name))
        .issuer_name(named(issuer))
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=30))
        .add_extension(x509.BasicConstraints(ca=is_ca, path_length=None), critical=True)
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]), critical=False)
    )
    return builder.sign(issuer_key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)


def tls(folder):
    authority, key = ec.generate_private_key(ec.SECP256R1()), ec.generate_private_key(ec.SECP256R1())
    (folder / "ca.pem").write_bytes(certificate("ca", authority, "ca", authority, True))
    (folder / "mail.pem").write_bytes(certificate("mail", key, "ca", authority, False))
    (folder / "mail.key").write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
    )
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(folder / "mail.pem", folder / "mail.key")
    return context


def authenticate(_server, _session, _envelope, _mechanism, login):
    return AuthResult(success=(login.login, login.password) == (USER, PASSWORD), handled=False)


class Mailbox:
    async def handle_DATA(self, _server, session, envelope):
        mail = email.message_from_bytes(envelope.content, policy=email.policy.default)
        tell(
            sender=envelope.mail_from,
            to=envelope.rcpt_tos,
            subject=mail["subject"],
            text=mail.get_content(),
            tls=session.ssl is not None,
            authenticated=bool(session.authenticated),
        )
        return "250 taken"


async def main():
    folder, mode = pathlib.Path(sys.argv[1]), sys.argv[2]
    options = {}
    if mode == "tls":
        options = dict(tls_context=tls(folder), require_starttls=True, authenticator=authenticate, auth_required=True)
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: SMTP(Mailbox(), hostname="mail.test", **options), "127.0.0.1", 0)
    tell(port=server.sockets[0].getsockname()[1])
    await loop.run_in_executor(None, sys.stdin.read)
    server.close()


asyncio.run(main())
