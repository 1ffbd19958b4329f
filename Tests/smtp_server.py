"""An SMTP server on 127.0.0.1 that keeps each letter as a file, for Faults/mail.py.

Debian's Python runs it, which has the package python3-aiosmtpd. Its argument is a directory. The server writes its port
to the file `port` there, and each letter to a file with a number as its name: a JSON object with the envelope's `from`
and `to`, and the letter's bytes as Latin-1 in `bytes`.

It refuses recipients with the local part `nobody` for good, and those with `later` for now.
"""

import asyncio
import json
import pathlib
import sys

from aiosmtpd.smtp import SMTP


class Keeper:
    def __init__(self, folder):
        self.folder = folder
        self.count = 0

    async def handle_RCPT(self, server, session, envelope, address, options):
        if address.startswith("nobody@"):
            return "550 5.1.1 There is no such user"
        if address.startswith("later@"):
            return "451 4.7.1 Please try again later"
        envelope.rcpt_tos.append(address)
        return "250 2.1.5 OK"

    async def handle_DATA(self, server, session, envelope):
        self.count += 1
        letter = {"from": envelope.mail_from, "to": envelope.rcpt_tos, "bytes": envelope.content.decode("latin-1")}
        keep(self.folder / str(self.count), json.dumps(letter))
        return "250 2.0.0 OK"


def keep(path, text):
    """Writes a file that has its name only when it is whole."""
    unfinished = path.with_name(f".{path.name}")
    unfinished.write_text(text)
    unfinished.rename(path)


async def main(folder):
    keeper = Keeper(folder)
    # With a host name, it asks no name server for its own.
    server = await asyncio.get_running_loop().create_server(
        lambda: SMTP(keeper, hostname="mail.example", enable_SMTPUTF8=True), "127.0.0.1", 0)
    keep(folder / "port", str(server.sockets[0].getsockname()[1]))
    await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(main(pathlib.Path(sys.argv[1])))
