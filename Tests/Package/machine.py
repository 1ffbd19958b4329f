"""A bare Debian in a container, booted with its own systemd. Its network is only a loopback.

debootstrap makes it from the mirror of this machine's apt. Packages for later are downloaded while there is a network.
"""

import ctypes
import os
import pathlib
import shlex
import shutil
import signal
import subprocess

import service

# The environment of a root shell there.
ENVIRONMENT = {"PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "HOME": "/root",
               "TERM": "dumb", "LC_ALL": "C.UTF-8", "DEBIAN_FRONTEND": "noninteractive"}
# Settings of this machine's apt: how to connect, and what to trust.
CARRIED_OVER = ("Acquire::http", "Acquire::https", "Acquire::Check-", "Acquire::Retries", "Acquire::ForceIPv")
CLONE_NEWNET = 0x40000000  # unshare(2)


def sources(release):
    """Returns the lines of sources.list(5) for a release, such as "trixie": the release itself, then its updates.

    The mirrors are those of this machine's own release, which is the shortest of its suites.
    """
    shown = subprocess.run(
        ["apt-get", "indextargets", "--format", "$(CREATED_BY)\t$(ORIGIN)\t$(CODENAME)\t$(REPO_URI)\t$(COMPONENT)"],
        capture_output=True, text=True, check=True).stdout
    found = {}
    for line in shown.splitlines():
        kind, origin, suite, address, component = line.split("\t")
        if (kind, origin, component) == ("Packages", "Debian", "main"):
            found.setdefault(suite, address)
    if not found:
        raise service.Trouble("this machine's apt has no source of Debian, or \"apt-get update\" was never run")
    own = min(found, key=len)
    return [f"deb {found[suite]} {suite.replace(own, release)} main" for suite in sorted(found, key=len)
            if suite.startswith(own)]


def proxies():
    """Returns the proxies of this machine's apt as wget's variables."""
    names = {"http_proxy": "Acquire::http::Proxy", "https_proxy": "Acquire::https::Proxy"}
    shown = subprocess.run(["apt-config", "shell", *(word for pair in names.items() for word in pair)],
                           capture_output=True, text=True, check=True).stdout
    values = dict(word.split("=", 1) for word in shlex.split(shown))
    return {name: value for name, value in values.items() if value != "DIRECT"}


def make(release, root, log, names):
    """Makes a Debian in the directory `root`, and downloads the named packages and their dependencies."""
    lines = sources(release)
    # Its mounts and processes end with it in every case.
    bootstrap = ["unshare", "--mount", "--pid", "--fork", "--kill-child", "debootstrap", "--variant=minbase",
                 "--include=systemd-sysv,dbus,ca-certificates", release, root, lines[0].split()[1]]
    complete("debootstrap", bootstrap, log, proxies())
    etc = pathlib.Path(root, "etc")
    etc.joinpath("apt/sources.list").write_text("\n".join(lines) + "\n")
    settings = subprocess.run(["apt-config", "dump"], capture_output=True, text=True, check=True).stdout
    etc.joinpath("apt/apt.conf.d/90machine").write_text("".join(
        line + "\n" for line in settings.splitlines()
        if line.startswith(CARRIED_OVER) and not line.endswith('"";')))
    shutil.copytree("/usr/local/share/ca-certificates", f"{root}/usr/local/share/ca-certificates", dirs_exist_ok=True)
    etc.joinpath("hosts").write_text("127.0.0.1 localhost\n::1 localhost\n")
    # Without --error-on=any, an update that reaches no mirror succeeds.
    script = ("update-ca-certificates && apt-get clean && apt-get -q update --error-on=any && "
              "apt-get -q -y dist-upgrade && apt-get clean && "
              "apt-get -q -y --download-only install " + shlex.join(names))
    # debootstrap keeps the mode of this machine's resolv.conf, and apt's own user must be able to read it.
    complete("fetching packages", [*nspawn(root), "--pipe", "--as-pid2", "--resolv-conf=replace-host",
                                   "--setenv=DEBIAN_FRONTEND=noninteractive", "sh", "-c", script], log)
    forget()
    etc.joinpath("resolv.conf").unlink(missing_ok=True)


def complete(what, command, log, environment=None):
    """Runs a command to its end. It also ends when this process does."""
    program = service.Program(command, log, environment)
    try:
        if program.process.wait():
            raise service.Trouble(f"{what} failed: {tail(log)}")
    finally:
        program.kill()


def nspawn(root):
    # Ask the machine's systemd for a scope, if there is one.
    keeps = [] if os.path.isdir("/run/systemd/system") else ["--keep-unit"]
    return ["systemd-nspawn", "--quiet", "--directory", root, "--register=no", *keeps, "--machine", name()]


def name():
    return f"tomi-package-{os.getpid()}"


def forget():
    """Removes what systemd-nspawn leaves behind if /run is not a separate file system."""
    shutil.rmtree(f"/run/systemd/nspawn/propagate/{name()}", ignore_errors=True)


def tail(path, count=400):
    return pathlib.Path(path).read_text(errors="replace")[-count:].strip()


def leave_network():
    """Gives this process and its children a loopback of their own and no other network."""
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.unshare(CLONE_NEWNET):
        raise service.Trouble(f"cannot create a network namespace: {os.strerror(ctypes.get_errno())}")
    subprocess.run(["ip", "link", "set", "lo", "up"], check=True)


class Machine:
    """The booted Debian in a directory. A context manager that shuts it down."""

    def __init__(self, root, log):
        self.root, self.log = root, log
        self.program = None

    def __enter__(self):
        self.boot()
        return self

    def __exit__(self, *_):
        self.halt()

    def path(self, path):
        """Returns a file's path as seen from here. /run, /tmp, /proc and /sys are its own file systems."""
        return pathlib.Path(self.root, path.lstrip("/"))

    def boot(self):
        """Boots it, and returns when all its units have started."""
        self.program = service.Program(
            [*nspawn(self.root), "--boot", "--console=pipe", "--resolv-conf=off", "--link-journal=no"], self.log)
        try:
            state = service.eventually(
                lambda: not self.program.is_running() or self._state() in ("running", "degraded"), 90, 0.2)
            if not self.program.is_running() or not state:
                raise service.Trouble(f"systemd does not start in a container here: {tail(self.log)}")
        except BaseException:
            self.halt()
            raise

    def _state(self):
        try:
            return self.run("systemctl", "is-system-running", expected=None).stdout.strip()
        except service.Trouble:
            return ""

    def halt(self):
        """Shuts it down, as the power button does. Its processes and mounts end with it."""
        if self.program and self.program.is_running():
            self.program.stop(signal.SIGTERM, 60)
        forget()

    def run(self, *words, expected=0, stdin=""):
        """Runs a command as its root; returns the result with both outputs as text.

        Raises service.Failure if the exit status is not the expected one. None accepts any status.
        """
        children = self.program.children() if self.program.is_running() else []
        if not children:
            raise service.Trouble("the container is not running")
        result = subprocess.run(
            ["nsenter", "--target", str(children[0]), "--all", "env", "--ignore-environment", "--chdir=/root",
             *(f"{key}={value}" for key, value in ENVIRONMENT.items()), *map(str, words)],
            input=stdin, capture_output=True, text=True)
        if expected is not None and result.returncode != expected:
            raise service.Failure(f"{shlex.join(map(str, words))[:200]} exited with {result.returncode}: "
                                  f"{(result.stderr + result.stdout)[-500:].strip()}")
        return result

    def shell(self, script, expected=0, stdin=""):
        """Runs lines as if a person typed them at its shell; returns the result."""
        return self.run("bash", "-euo", "pipefail", "-c", script, expected=expected, stdin=stdin)

    def show(self, unit, key):
        """Returns a property of a unit, systemctl(1)."""
        return self.run("systemctl", "show", "--value", "--property", key, unit).stdout.strip()
