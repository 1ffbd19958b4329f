"""Runs the whole service for the programs in Benchmarks and Faults: the release build behind nginx, on a free port of
127.0.0.1, with a database and a directory of its own.

Every process that is started here ends with the program that started it.
"""

import contextlib
import ctypes
import dataclasses
import glob
import http.client
import json
import math
import os
import pathlib
import signal
import socket
import subprocess
import sys
import tempfile
import time

PROJECT = pathlib.Path(__file__).resolve().parent.parent
# A Debian user's PATH does not include sbin, where nginx is.
os.environ["PATH"] += ":/usr/sbin"


class Trouble(Exception):
    """The reason why a program cannot run its test or measurement, in one line."""


class Failure(Trouble):
    """A fault of the service, with the figures collected so far."""

    def __init__(self, text, figures=()):
        super().__init__(text)
        self.figures = list(figures)


def say(text):
    """Prints progress to standard error."""
    print(text, file=sys.stderr, flush=True)


def require(*packages):
    """Installs missing packages, including those that the service needs."""
    if subprocess.run([PROJECT / "nginx/requirements", *packages]).returncode:
        raise Trouble("packages are missing")


def build():
    """Returns the executable's path: TOMI_EXECUTABLE, or a new build like that of nginx/package."""
    if named := os.environ.get("TOMI_EXECUTABLE"):
        if not os.access(named, os.X_OK):
            raise Trouble(f"TOMI_EXECUTABLE: {named} does not exist or is not executable")
        return os.path.abspath(named)
    say("Building")
    # With the Swift runtime linked in, as it is deployed. That also makes a request cheaper.
    command = ["swift", "build", "--package-path", PROJECT, "--scratch-path", PROJECT / ".build/package",
               "--configuration", "release", "--static-swift-stdlib"]
    if subprocess.run([*command, "--product", "tomi-referrals"], stdout=sys.stderr).returncode:
        raise Trouble("the build failed")
    folder = subprocess.run([*command, "--show-bin-path"], stdout=subprocess.PIPE, text=True, check=True).stdout
    return os.path.join(folder.strip(), "tomi-referrals")


@contextlib.contextmanager
def temporary_folder(parent=None):
    """A directory in /tmp that is removed at the end. A socket's path must not exceed 107 bytes (unix(7))."""
    with tempfile.TemporaryDirectory(prefix="tomi-", dir=parent or "/tmp") as folder:
        yield folder


def free_port():
    """Returns a port of 127.0.0.1 on which nothing listens."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def eventually(condition, seconds=20.0, every=0.01):
    """Waits until the condition holds or the time is over; returns its last value."""
    end = time.monotonic() + seconds
    while not (value := condition()) and time.monotonic() < end:
        time.sleep(every)
    return value


_libc = ctypes.CDLL(None, use_errno=True)


class Program:
    """A program that ends when it is stopped, or with the process that started it."""

    def __init__(self, command, log, environment=None, stdin=subprocess.DEVNULL, descriptors=()):
        """Starts a command from the PATH, and appends its output to the file `log`."""
        parent = os.getpid()

        def end_with_parent():
            _libc.prctl(1, signal.SIGKILL)  # PR_SET_PDEATHSIG, prctl(2)
            if os.getppid() != parent:
                os._exit(1)

        with open(log, "ab") as output:
            self.process = subprocess.Popen(
                [str(word) for word in command], stdin=stdin, stdout=output, stderr=output, pass_fds=descriptors,
                env={**os.environ, **(environment or {})}, preexec_fn=end_with_parent, start_new_session=True)
        self.pid = self.process.pid

    def is_running(self):
        return self.process.poll() is None

    def send(self, number):
        """Sends a signal if the program is running."""
        if self.is_running():
            os.kill(self.pid, number)

    def stop(self, number=signal.SIGTERM, seconds=30):
        """Stops it; returns its exit status, negative for a signal, None if it had to be killed."""
        self.send(number)
        try:
            return self.process.wait(seconds)
        except subprocess.TimeoutExpired:
            self.kill()
            return None

    def kill(self):
        """Kills it and everything that it started (SIGKILL)."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.pid, signal.SIGKILL)
        self.process.wait()

    def children(self):
        """Returns the IDs of its running child processes."""
        with open(f"/proc/{self.pid}/task/{self.pid}/children") as file:
            return [int(word) for word in file.read().split()]

    def cpu_seconds(self):
        """Returns the CPU time that it and its children have used, proc_pid_stat(5)."""
        total = 0
        for pid in [self.pid, *self.children()]:
            with open(f"/proc/{pid}/stat") as file:
                fields = file.read().rpartition(")")[2].split()
            total += int(fields[11]) + int(fields[12])
        return total / os.sysconf("SC_CLK_TCK")

    def resident_bytes(self):
        """VmRSS of the process itself, proc_pid_status(5)."""
        with open(f"/proc/{self.pid}/status") as file:
            return next(int(line.split()[1]) * 1024 for line in file if line.startswith("VmRSS:"))

    def descriptors(self):
        """Returns how many descriptors the process has open: the minimum within a second, so that connections which
        are being closed do not count. The database's files do not count either: more of them are opened when more
        requests than before read at the same moment."""
        end, least = time.monotonic() + 1, math.inf
        while time.monotonic() < end:
            targets = [os.path.basename(os.path.realpath(path)) for path in glob.glob(f"/proc/{self.pid}/fd/*")]
            least = min(least, sum(not target.startswith("referrals.db") for target in targets))
            time.sleep(0.05)
        return least


@dataclasses.dataclass
class Answer:
    status: int
    headers: http.client.HTTPMessage
    body: bytes

    @property
    def json(self):
        return json.loads(self.body)


class Client:
    """A caller with one kept connection. Without an answer it raises OSError or http.client.HTTPException. It never
    sends a request twice."""

    def __init__(self, port, token=None, timeout=30, source="127.0.0.1"):
        """`source` is the address that it comes from, any of 127.0.0.0/8."""
        self.token = token
        self._connection = http.client.HTTPConnection("127.0.0.1", port, timeout=timeout, source_address=(source, 0))

    def request(self, method, path, body=None, headers=None):
        """Sends a request, with a body of bytes or of a value that is sent as JSON."""
        headers = dict(headers or {})
        if self.token:
            headers.setdefault("Authorization", f"Bearer {self.token}")
        if body is not None:
            headers.setdefault("Content-Type", "application/json")
            if not isinstance(body, bytes):
                body = json.dumps(body).encode()
        try:
            self._connection.request(method, path, body, headers)
            response = self._connection.getresponse()
            return Answer(response.status, response.headers, response.read())
        except Exception:
            self._connection.close()
            raise

    def expect(self, status, method, path, body=None, headers=None):
        """Sends a request and returns the answer, which must have the status."""
        answer = self.request(method, path, body, headers)
        if answer.status != status:
            raise Failure(f"{method} {path}: {answer.status} instead of {status}: {answer.body[:300]!r}")
        return answer

    def close(self):
        self._connection.close()


class WebServer:
    """nginx with the shipped configuration in front of a responder's socket."""

    def __init__(self, folder, socket_path, options=("--no-limits", "--no-cache"), workers=None):
        """Starts it in the directory `folder`, which must exist and be used by nothing else."""
        self.folder = folder
        for _ in range(5):  # Another process may take the free port first.
            self.port = free_port()
            subprocess.run(
                [PROJECT / "nginx/configure", "--port", str(self.port), "--socket", socket_path, *options, folder],
                check=True)
            if workers:
                self.edit("nginx.conf", lambda text: f"worker_processes {workers};\n" + "\n".join(
                    line for line in text.split("\n") if not line.startswith("worker_processes")))
            self.program = Program(
                ["nginx", "-p", folder, "-c", "nginx.conf", "-g", "daemon off;"], f"{folder}/errors")
            pid_file = pathlib.Path(folder, "nginx.pid")
            eventually(lambda: not self.program.is_running() or pid_file.exists() and pid_file.stat().st_size)
            if self.program.is_running():
                return
        errors = pathlib.Path(folder, "errors").read_text()
        raise Trouble(f"nginx did not start: {errors[-500:]}")

    def edit(self, name, change):
        """Changes a file of its configuration, from the next start or reload on."""
        path = pathlib.Path(self.folder, name)
        path.write_text(change(path.read_text()))

    def reload(self):
        self.program.send(signal.SIGHUP)

    def stop(self):
        return self.program.stop(signal.SIGQUIT)


class Service:
    """The responder behind nginx. A context manager that kills both at its end."""

    def __init__(self, executable, folder, options=(), nginx_options=("--no-limits", "--no-cache"), demo=None,
                 data=None, environment=None, wrapper=()):
        """Creates a database, and starts nginx and a responder on it.

        options: of `serve`. demo: options of `demo`, which fills the database; None for an empty one.
        data: another directory for the database. wrapper: the command that starts the responder.
        """
        self.executable, self.folder, self.options = executable, folder, list(options)
        self.environment, self.wrapper = environment, list(wrapper)
        data = data or f"{folder}/data"
        os.makedirs(data, exist_ok=True)
        os.makedirs(f"{folder}/nginx", exist_ok=True)
        self.database, self.socket = f"{data}/referrals.db", f"{folder}/referrals.sock"
        self.log_path = f"{folder}/log"
        self.responder = self.nginx = None
        if not os.path.exists(self.database):
            self.command("migrate" if demo is None else "demo", *(demo or ()))
        self.token = self.command("token", "create", "--admin", "--email", "sam@tomi.example").strip()
        try:
            self.start()
            self.nginx = WebServer(f"{folder}/nginx", self.socket, nginx_options)
        except BaseException:
            self.kill()
            raise

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.kill()

    def kill(self):
        for program in [self.nginx and self.nginx.program, self.responder]:
            if program:
                program.kill()

    def command(self, *words, database=None, expected=0):
        """Runs a command of the executable and returns its standard output."""
        result = subprocess.run(
            [self.executable, *map(str, words), "--database", database or self.database], capture_output=True,
            text=True)
        if expected is not None and result.returncode != expected:
            raise Trouble(f"{words[0]} exited with {result.returncode}: {(result.stderr or result.stdout)[-500:]}")
        return result.stdout

    def check(self, database=None):
        """Returns what `check` finds wrong with the database or a copy of it; empty if nothing."""
        result = subprocess.run(
            [self.executable, "check", "--database", database or self.database], capture_output=True, text=True)
        return "" if result.returncode == 0 else (result.stdout + result.stderr).strip() or "no output"

    def start(self, waits=True, wrapper=None, environment=None, descriptors=(), own_socket=True):
        """Starts a responder. Without own_socket, the wrapper hands it a listening socket."""
        logged = os.path.getsize(self.log_path) if os.path.exists(self.log_path) else 0
        command = [*(self.wrapper if wrapper is None else wrapper), self.executable, "serve", "--database",
                   self.database]
        if own_socket:
            command += ["--socket", self.socket]
        self.responder = Program(
            command + self.options, self.log_path, {**(self.environment or {}), **(environment or {})},
            descriptors=descriptors)
        if waits:
            eventually(lambda: not self.responder.is_running() or '"message":"started"' in self.log(logged))
            if not self.responder.is_running() or '"message":"started"' not in self.log(logged):
                raise Failure(f"the responder did not start: {self.log(logged)[-500:]}")
        return self.responder

    def log(self, since=0):
        """Returns what the responders logged, from a byte on."""
        with open(self.log_path, "rb") as file:
            file.seek(since)
            return file.read().decode(errors="replace")

    def client(self, token=None, timeout=30, source="127.0.0.1"):
        return Client(self.nginx.port, token, timeout, source)

    def staff(self):
        return self.client(self.token)
