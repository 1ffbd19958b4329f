"""A bare Debian 12 in a container, booted with its own systemd, on a network that is a loopback and nothing else.

It is made by debootstrap from the source of Debian 12 that this machine's apt knows. What shall be installed in it
later is downloaded while there still is a network.
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
# Of this machine's apt: by what way, and whom it trusts.
CARRIED_OVER = ("Acquire::http", "Acquire::https", "Acquire::Check-", "Acquire::Retries", "Acquire::ForceIPv")
CLONE_NEWNET = 0x40000000  # unshare(2)


def sources():
    """The lines of a sources.list with the Debian 12 that this machine's apt knows, the release itself first."""
    shown = subprocess.run(
        ["apt-get", "indextargets", "--format", "$(CREATED_BY)\t$(ORIGIN)\t$(CODENAME)\t$(REPO_URI)\t$(COMPONENT)"],
        capture_output=True, text=True, check=True).stdout
    found = {}
    for line in shown.splitlines():
        kind, origin, suite, address, component = line.split("\t")
        if (kind, origin, component) == ("Packages", "Debian", "main") and suite.startswith("bookworm"):
            found.setdefault(suite, f"deb {address} {suite} main")
    if "bookworm" not in found:
        raise service.Trouble("this machine's apt knows no source of Debian 12 (or \"apt-get update\" was never run)")
    return [found.pop("bookworm"), *found.values()]


def proxies():
    """The proxies of this machine's apt, as wget takes them."""
    names = {"http_proxy": "Acquire::http::Proxy", "https_proxy": "Acquire::https::Proxy"}
    shown = subprocess.run(["apt-config", "shell", *(word for pair in names.items() for word in pair)],
                           capture_output=True, text=True, check=True).stdout
    values = dict(word.split("=", 1) for word in shlex.split(shown))
    return {name: value for name, value in values.items() if value != "DIRECT"}


def make(root, log, names):
    """Makes a Debian 12 in the folder `root`, with the packages of those names, and what they need, downloaded."""
    lines = sources()
    # Whatever ends this, its mounts end with it, and the processes in it.
    bootstrap = ["unshare", "--mount", "--pid", "--fork", "--kill-child", "debootstrap", "--variant=minbase",
                 "--include=systemd-sysv,dbus,ca-certificates", "bookworm", root, lines[0].split()[1]]
    complete("debootstrap", bootstrap, log, proxies())
    etc = pathlib.Path(root, "etc")
    etc.joinpath("apt/sources.list").write_text("\n".join(lines) + "\n")
    settings = subprocess.run(["apt-config", "dump"], capture_output=True, text=True, check=True).stdout
    etc.joinpath("apt/apt.conf.d/90machine").write_text("".join(
        line + "\n" for line in settings.splitlines()
        if line.startswith(CARRIED_OVER) and not line.endswith('"";')))
    shutil.copytree("/usr/local/share/ca-certificates", f"{root}/usr/local/share/ca-certificates", dirs_exist_ok=True)
    etc.joinpath("hosts").write_text("127.0.0.1 localhost\n::1 localhost\n")
    script = ("update-ca-certificates && apt-get clean && apt-get -q update && apt-get -q -y dist-upgrade && "
              "apt-get clean && apt-get -q -y --download-only install " + shlex.join(names))
    complete("fetching packages", [*nspawn(root), "--pipe", "--as-pid2", "--resolv-conf=copy-host",
                                   "--setenv=DEBIAN_FRONTEND=noninteractive", "sh", "-c", script], log)
    forget()
    etc.joinpath("resolv.conf").unlink(missing_ok=True)


def complete(what, command, log, environment=None):
    """Runs a command to its end, which is this process's end at the latest."""
    program = service.Program(command, log, environment)
    try:
        if program.process.wait():
            raise service.Trouble(f"{what} failed: {tail(log)}")
    finally:
        program.kill()


def nspawn(root):
    # A scope of its own is asked of the machine's systemd, where there is one.
    keeps = [] if os.path.isdir("/run/systemd/system") else ["--keep-unit"]
    return ["systemd-nspawn", "--quiet", "--directory", root, "--register=no", *keeps, "--machine", name()]


def name():
    return f"tomi-package-{os.getpid()}"


def forget():
    """Removes what systemd-nspawn leaves behind where /run is no file system of its own."""
    shutil.rmtree(f"/run/systemd/nspawn/propagate/{name()}", ignore_errors=True)


def tail(path, count=400):
    return pathlib.Path(path).read_text(errors="replace")[-count:].strip()


def leave_network():
    """From here on this process and what it starts have a loopback of their own, and no other network."""
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.unshare(CLONE_NEWNET):
        raise service.Trouble(f"no network of its own: {os.strerror(ctypes.get_errno())}")
    subprocess.run(["ip", "link", "set", "lo", "up"], check=True)


class Machine:
    """The Debian in a folder, once booted. A context manager that switches it off."""

    def __init__(self, root, log):
        self.root, self.log = root, log
        self.program = None

    def __enter__(self):
        self.boot()
        return self

    def __exit__(self, *_):
        self.halt()

    def path(self, path):
        """Where a file of it is seen from here; /run, /tmp and what the kernel shows are file systems of its own."""
        return pathlib.Path(self.root, path.lstrip("/"))

    def boot(self):
        """Starts it; back once all that it starts by itself has started."""
        self.program = service.Program(
            [*nspawn(self.root), "--boot", "--console=pipe", "--resolv-conf=off", "--link-journal=no"], self.log)
        try:
            state = service.eventually(
                lambda: not self.program.is_running() or self._state() in ("running", "degraded"), 90, 0.2)
            if not self.program.is_running() or not state:
                raise service.Trouble(f"no systemd starts in a container here: {tail(self.log)}")
        except BaseException:
            self.halt()
            raise

    def _state(self):
        try:
            return self.run("systemctl", "is-system-running", expected=None).stdout.strip()
        except service.Trouble:
            return ""

    def halt(self):
        """Switches it off in order, as the power button does; its processes and mounts end with it."""
        if self.program and self.program.is_running():
            self.program.stop(signal.SIGTERM, 60)
        forget()

    def run(self, *words, expected=0, stdin=""):
        """Runs a command as its root; what came of it, with both outputs as text.

        Raises service.Failure if it ends otherwise than expected; None is anyhow.
        """
        children = self.program.children() if self.program.is_running() else []
        if not children:
            raise service.Trouble("the container does not run")
        result = subprocess.run(
            ["nsenter", "--target", str(children[0]), "--all", "env", "--ignore-environment", "--chdir=/root",
             *(f"{key}={value}" for key, value in ENVIRONMENT.items()), *map(str, words)],
            input=stdin, capture_output=True, text=True)
        if expected is not None and result.returncode != expected:
            raise service.Failure(f"{shlex.join(map(str, words))[:200]} ended with {result.returncode}: "
                                  f"{(result.stderr + result.stdout)[-500:].strip()}")
        return result

    def shell(self, script, expected=0, stdin=""):
        """Runs lines as a person at its shell types them; what came of it."""
        return self.run("bash", "-euo", "pipefail", "-c", script, expected=expected, stdin=stdin)

    def show(self, unit, key):
        """A property of a unit, systemctl(1)."""
        return self.run("systemctl", "show", "--value", "--property", key, unit).stdout.strip()
