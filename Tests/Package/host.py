"""The public host as callers see it, over the loopback: one request at a time, and under load."""

import collections
import http.client
import socket
import ssl
import subprocess
import threading
import time

import ledger
import service

HOST = "referrals.test"


class Site:
    """The public host, reached over the loopback."""

    def __init__(self, folder):
        # The certificate authority of the host's certificate.
        self.authority = f"{folder}/authority.pem"

    def ask(self, address, *options):
        """Sends a request with curl(1); returns protocol and status, the headers in lower case, and the body."""
        result = subprocess.run(
            ["curl", "-q", "--noproxy", "*", "--silent", "--show-error", "--include", "--max-time", "30", "--cacert",
             self.authority, "--resolve", f"{HOST}:80:127.0.0.1", "--resolve", f"{HOST}:443:127.0.0.1", *options,
             address], capture_output=True, text=True, errors="replace")
        if result.returncode:
            return "no answer", [], result.stderr.strip()
        head, _, body = result.stdout.replace("\r\n", "\n").partition("\n\n")
        first, *rest = head.split("\n")
        headers = [(key.lower(), value.strip()) for key, _, value in (line.partition(":") for line in rest)]
        return " ".join(first.split()[:2]), headers, body

    def secure(self, path, *options):
        return self.ask(f"https://{HOST}{path}", *options)

    def plain(self, path, *options):
        return self.ask(f"http://{HOST}{path}", *options)

    def client(self, token):
        return SecureClient(self.authority, token)

    def is_up(self):
        return self.secure("/api/health")[0] == "HTTP/2 200"

    def certificate(self):
        """Returns the serial number of the current certificate."""
        context = ssl.create_default_context(cafile=self.authority)
        with socket.create_connection(("127.0.0.1", 443), 10) as stream:
            with context.wrap_socket(stream, server_hostname=HOST) as secured:
                return secured.getpeercert()["serialNumber"]


class SecureConnection(http.client.HTTPSConnection):
    """A connection to the loopback, whatever the host's name resolves to."""

    def connect(self):
        stream = socket.create_connection(("127.0.0.1", self.port), self.timeout)
        stream.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.sock = self._context.wrap_socket(stream, server_hostname=self.host)


class SecureClient(service.Client):
    def __init__(self, authority, token):
        self.token = token
        self._connection = SecureConnection(HOST, timeout=60, context=ssl.create_default_context(cafile=authority))


class Load:
    """Clients that post one partner after another, each on a kept connection, until this context ends.

    A request that meets the end of its connection, as when nginx reloads, is sent again with the same Idempotency-Key
    (RFC 9112, 9.3.1). For as many seconds as `patience` says, so is one that is answered "unavailable", after the time
    in Retry-After. Any other answer than 201 is a failure.
    """

    def __init__(self, site, tokens, patience=0):
        self.site, self.tokens, self.patience = site, tokens, patience
        self.ledger = ledger.Ledger()
        self.failed, self.longest = [], 0.0
        self.unavailable = collections.Counter()  # answers by status
        self.over = threading.Event()

    def __enter__(self):
        self.threads = [threading.Thread(target=self._run, args=pair, daemon=True) for pair in enumerate(self.tokens)]
        for thread in self.threads:
            thread.start()
        return self

    def __exit__(self, *_):
        self.over.set()
        for thread in self.threads:
            thread.join()

    def _run(self, number, token):
        client, turn = self.site.client(token), 0
        # Slower than nginx's limit on the changes of one caller.
        while not self.over.wait(0.055):
            turn += 1
            email = f"load{number}-{turn}@ledger.example"
            self.ledger.sent.add(email)
            started = time.monotonic()
            try:
                answer = self._post(client, email)
                if answer.status != 201:
                    raise service.Failure(f"{answer.status} {answer.body[:200]!r}")
            except Exception as error:
                self.failed.append(f"{type(error).__name__}: {error}")
                continue
            self.longest = max(self.longest, time.monotonic() - started)
            with self.ledger.lock:
                self.ledger.acknowledged[email] = answer.json["id"]
        client.close()

    def _post(self, client, email):
        end = time.monotonic() + self.patience
        while True:
            answer = self._send(client, email)
            if answer.status not in (502, 503, 504) or time.monotonic() >= end:
                return answer
            if answer.json["code"] != "unavailable" or not answer.headers["Retry-After"]:
                return answer
            with self.ledger.lock:
                self.unavailable[answer.status] += 1
            time.sleep(int(answer.headers["Retry-After"]))

    def _send(self, client, email):
        body = {"type": "agent", "company_name": f"Firm of {email}", "email": email}
        for last in (False, True):
            try:
                return client.request("POST", ledger.PARTNERS, body, {"Idempotency-Key": email})
            except (http.client.RemoteDisconnected, ConnectionError, ssl.SSLEOFError):
                if last:
                    raise
                with self.ledger.lock:
                    self.ledger.resent += 1

    def answered(self, count):
        """Waits until this many more posts are answered."""
        wanted = len(self.ledger.acknowledged) + count
        if not service.eventually(lambda: len(self.ledger.acknowledged) >= wanted or self.failed, 60):
            raise service.Failure("the load stopped")
