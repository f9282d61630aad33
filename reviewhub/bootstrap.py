"""Makes `.venv` and installs a requirements file into it, once per content of that file.

Runs on the bare interpreter: only the standard library here. Each failure is one clear line.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
VENV = ROOT / ".venv"
# Packages come as wheels; where one does not, its build needs these.
COMPILER_SIGNS = (
    "error: command 'gcc'",
    "error: command 'cc'",
    "Python.h",
    "Unable to find a compiler",
    "no acceptable C compiler",
)


def main(requirements: str) -> None:
    if sys.version_info < (3, 11):
        found = f"{sys.version_info.major}.{sys.version_info.minor}"
        sys.exit(f"reviewhub: needs Python 3.11 or newer, this is {found}; try `make run PYTHON=python3.11`")
    wanted = _digest(requirements)
    stamp = VENV / f".installed-{Path(requirements).stem}"
    larger = VENV / ".installed-requirements-dev"
    if stamp.exists() and stamp.read_text() == wanted:
        return
    if requirements == "requirements.txt" and larger.exists() and larger.read_text() == _digest("requirements-dev.txt"):
        return
    started = time.monotonic()
    try:
        _make_venv()
        _install(requirements)
        stamp.write_text(wanted)
    except OSError as error:
        sys.exit(f"reviewhub: cannot write to {error.filename or VENV} ({error.strerror})")
    print(f"Installed {requirements} in {time.monotonic() - started:.0f} s", file=sys.stderr)


def _digest(requirements: str) -> str:
    """Changes with either file and with the interpreter; the larger file includes the smaller."""
    names = sorted({"requirements.txt", requirements})
    content = b"\0".join((ROOT / name).read_bytes() for name in names)
    return hashlib.sha256(content + sys.version.encode()).hexdigest()


def _make_venv() -> None:
    if (VENV / "bin" / "python").exists() and f"version = {sys.version.split()[0]}" in (
        VENV / "pyvenv.cfg"
    ).read_text():
        return
    print("Making .venv ...", file=sys.stderr)
    # An interrupted earlier try leaves a folder without an interpreter, an upgrade one for another.
    shutil.rmtree(VENV, ignore_errors=True)
    made = subprocess.run([sys.executable, "-m", "venv", str(VENV)], capture_output=True, text=True)
    if made.returncode:
        last = (made.stdout + made.stderr).strip().splitlines()[-1:] or ["no message"]
        if "ensurepip" in made.stdout + made.stderr:
            sys.exit("reviewhub: this Python makes no virtual environments; install its package python3-venv")
        sys.exit(f"reviewhub: could not make .venv: {last[0]}")


def _install(requirements: str) -> None:
    print(f"Installing {requirements}; the first time takes a minute or two ...", file=sys.stderr)
    command = [str(VENV / "bin" / "python"), "-m", "pip", "install", "--no-input", "--disable-pip-version-check"]
    process = subprocess.Popen(
        [*command, "-r", str(ROOT / requirements)],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env={**os.environ, "PYTHONWARNINGS": "ignore"},
    )
    output = []
    count = 0
    for line in process.stdout or ():
        output.append(line)
        if line.startswith("Collecting "):
            count += 1
            _progress(f"  {count} packages found, now {line.split()[1]}")
        elif line.startswith("Installing collected"):
            _progress(f"  installing {count} packages")
    _progress("")
    if process.wait():
        text = "".join(output)
        if any(sign in text for sign in COMPILER_SIGNS):
            sys.exit(
                "reviewhub: a package has no wheel for this machine; install gcc and the Python headers, then try again"
            )
        reasons = [line.strip() for line in output if line.startswith("ERROR")] or [text.strip()[-300:] or "no message"]
        sys.exit(f"reviewhub: could not install {requirements}: {reasons[0][:300]}")


def _progress(text: str) -> None:
    if sys.stderr.isatty():
        print(f"\r\033[K{text[:100]}", end="", file=sys.stderr, flush=True)


if __name__ == "__main__":
    main(sys.argv[1])
