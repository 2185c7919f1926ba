"""Asks a CA by certbot's own library when a certificate should be renewed, and prints what it says.

usage: acme_renewal.py DIRECTORY_URL CERTIFICATE_PEM
"""

import datetime
import json
import sys

from acme import client, errors, messages


def main(directory_url: str, certificate_path: str) -> None:
    """Prints one JSON object: the times, or the error."""
    net = client.ClientNetwork(user_agent="offpeak-tests")
    net.session.trust_env = False
    directory = client.ClientV2.get_directory(directory_url, net)
    with open(certificate_path, "rb") as file:
        certificate = file.read()
    asked_at = datetime.datetime.now()
    try:
        renew_at, ask_again_at = client.ClientV2(directory, net).renewal_time(certificate)
    except errors.ARIError as error:
        cause = error.__cause__
        problem = cause.to_json() if isinstance(cause, messages.Error) else repr(cause)
        print(json.dumps({"problem": problem}))
        return
    print(
        json.dumps(
            {
                "renewAt": renew_at.timestamp(),
                "retryAfterSeconds": (ask_again_at - asked_at).total_seconds(),
            }
        )
    )


if __name__ == "__main__":
    main(*sys.argv[1:])
