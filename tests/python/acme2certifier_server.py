"""Serves acme2certifier with its openssl handler and a CA of its own, over HTTP on a free port.

acme2certifier_server.py FOLDER

Prints the URL of the directory once it listens. It takes every challenge for passed.
"""

import os
import socketserver
import sys
from datetime import datetime, timedelta, timezone
from pathlib import Path
from wsgiref.simple_server import WSGIServer, make_server

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

folder = Path(sys.argv[1])
(folder / "issued").mkdir()

now = datetime.now(timezone.utc)
day = timedelta(days=1)
key = ec.generate_private_key(ec.SECP256R1())
name = x509.Name.from_rfc4514_string("CN=CA of the tests")
usage = dict.fromkeys(
    ["digital_signature", "content_commitment", "key_encipherment", "data_encipherment", "key_agreement",
     "encipher_only", "decipher_only"], False)
certificate = (
    x509.CertificateBuilder(name, name, key.public_key(), 1, now - day, now + 365 * day)
    .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
    .add_extension(x509.KeyUsage(key_cert_sign=True, crl_sign=True, **usage), critical=True)
    .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
    .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(key.public_key()), critical=False)
    .sign(key, hashes.SHA256())
)
revoked = (
    x509.CertificateRevocationListBuilder(name, now, now + 30 * day)
    .add_extension(x509.CRLNumber(1), critical=False)
    .sign(key, hashes.SHA256())
)
(folder / "ca.pem").write_bytes(certificate.public_bytes(Encoding.PEM))
(folder / "ca.key").write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
(folder / "ca.crl").write_bytes(revoked.public_bytes(Encoding.PEM))
(folder / "acme_srv.cfg").write_text(f"""
[DEFAULT]
debug: False
[CAhandler]
handler_module: acme2certifier.cahandlers.openssl_ca_handler
issuing_ca_key: {folder}/ca.key
issuing_ca_cert: {folder}/ca.pem
issuing_ca_crl: {folder}/ca.crl
cert_save_path: {folder}/issued
cert_validity_days: 30
[DBhandler]
handler_module: acme2certifier.dbhandlers.wsgi_handler
dbfile: {folder}/acme.db
[Challenge]
challenge_validation_disable: True
""")
os.environ["ACME_SRV_CONFIGFILE"] = str(folder / "acme_srv.cfg")
# Without this a challenge that nobody answers is not taken for passed.
os.environ["ACME2CERTIFIER_I_KNOW_THE_RISK"] = "1"

# It reads its configuration when it is imported.
from acme2certifier.share.acme2certifier_wsgi import application  # noqa: E402


class Server(socketserver.ThreadingMixIn, WSGIServer):
    daemon_threads = True


with make_server("127.0.0.1", 0, application, Server) as server:
    print(f"directory http://127.0.0.1:{server.server_address[1]}/directory", flush=True)
    server.serve_forever()
