"""CertIDs of the PEM files named on standard input, by two other implementations.

One line a file: its path, the CertID from `cryptography`'s parse and the ASN.1 rules, and the one
that certbot's `acme` library asks its server for, with tabs between.
"""

import base64
import sys

from acme.client import _renewal_info_path_component
from cryptography import x509


def by_the_rules(certificate: x509.Certificate) -> str:
    """RFC 9773 section 4.1: the serial as DER writes it, two's complement of minimal length."""
    extension = certificate.extensions.get_extension_for_class(x509.AuthorityKeyIdentifier)
    serial = certificate.serial_number
    octets = serial.to_bytes(serial.bit_length() // 8 + 1, "big", signed=True)
    return ".".join(
        base64.urlsafe_b64encode(half).rstrip(b"=").decode()
        for half in (extension.value.key_identifier, octets)
    )


for path in sys.stdin.read().splitlines():
    with open(path, "rb") as file:
        parsed = x509.load_pem_x509_certificate(file.read())
    print(path, by_the_rules(parsed), _renewal_info_path_component(parsed), sep="\t")
