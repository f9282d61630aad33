from __future__ import annotations

import socket
import sys

from reviewhub.processes import Processes, port_is_free


def test_a_taken_port_is_seen():
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        assert not port_is_free(taken.getsockname()[1])


def test_a_process_that_ignores_the_stop_is_killed_in_time(tmp_path, monkeypatch):
    monkeypatch.setattr("reviewhub.processes.STOP_SECONDS", 0.5)
    deaf = "import signal, sys; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('up', flush=True); signal.pause()"
    processes = Processes({"deaf": [sys.executable, "-c", deaf]}, tmp_path)
    processes.start()
    while "up" not in (tmp_path / "deaf.log").read_text():
        assert processes.running["deaf"].poll() is None
    processes.stop()
    assert processes.running["deaf"].returncode == -9


def test_a_process_that_died_is_started_again(tmp_path, monkeypatch):
    monkeypatch.setattr("reviewhub.processes.FASTEST_RESTART", -1.0)
    processes = Processes({"short": [sys.executable, "-c", ""]}, tmp_path)
    processes.start()
    first = processes.running["short"]
    first.wait()
    assert processes.restart_dead() == ["short"]
    assert processes.running["short"].pid != first.pid
    processes.stop()
