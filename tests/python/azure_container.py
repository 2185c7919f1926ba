"""Makes a container that all may read in an Azurite, whose account and key everybody knows.

azure_container.py http://127.0.0.1:PORT/devstoreaccount1 NAME KEY
"""

import base64
import hashlib
import hmac
import sys
import urllib.request
from datetime import datetime, timezone

url, name, key = sys.argv[1:]
account = url.rsplit("/", 1)[1]
now = datetime.now(timezone.utc).strftime("%a, %d %b %Y %H:%M:%S GMT")
headers = {"x-ms-blob-public-access": "container", "x-ms-date": now, "x-ms-version": "2021-12-02"}
signed = "PUT" + "\n" * 12 + "".join(f"{header}:{value}\n" for header, value in headers.items())
signed += f"/{account}/{account}/{name}\nrestype:container"
mac = hmac.new(base64.b64decode(key), signed.encode(), hashlib.sha256)
signature = base64.b64encode(mac.digest()).decode()
headers["Authorization"] = f"SharedKey {account}:{signature}"
headers["Content-Length"] = "0"
request = urllib.request.Request(f"{url}/{name}?restype=container", method="PUT", headers=headers)
urllib.request.build_opener(urllib.request.ProxyHandler({})).open(request)
