"""What the integrations' tests share: a codec, the refusals that were seen, and a real Redis server on loopback.

Hosts are optional: `pip install ".[integrations-test]"`. A test whose host is missing is skipped, and so are
those that need `redis-server` (Debian's package of that name) where it is not installed. With
SAFEPICKLE_REQUIRE_INTEGRATIONS=1 and SAFEPICKLE_REQUIRE_REDIS=1 (as in .ci/run) these are errors instead.
"""

from __future__ import annotations

import importlib
import logging
import os
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from safepickle.codec import Codec
from safepickle.policy.rules import Policy
from safepickle.signing.keys import KeyRing

REQUIRED = os.environ.get("SAFEPICKLE_REQUIRE_INTEGRATIONS") == "1"
REDIS_REQUIRED = os.environ.get("SAFEPICKLE_REQUIRE_REDIS") == "1"


def host(name: str) -> ModuleType:
    """Return a host library, or skip the tests of its module."""
    if REQUIRED:
        return importlib.import_module(name)
    return pytest.importorskip(name, reason=f"{name} is not installed (pip install '.[integrations-test]')")


class Seen(list[tuple[str, Any]]):
    """The refusals that an integration told of: the error's class and the key."""

    def __call__(self, error: Exception, key: Any) -> None:
        self.append((type(error).__name__, key))

    @property
    def kinds(self) -> list[str]:
        return [kind for kind, _ in self]


@pytest.fixture
def seen(caplog: pytest.LogCaptureFixture) -> Iterator[Seen]:
    """Collects refusals; at the end, each must have been logged too."""
    caplog.set_level(logging.WARNING, logger="safepickle.integrations")
    seen = Seen()
    yield seen
    logged = [record for record in caplog.get_records("call") if record.name == "safepickle.integrations"]
    assert len(logged) == len(seen)


@pytest.fixture(scope="session")
def ring() -> KeyRing:
    return KeyRing.generate()


@pytest.fixture(scope="session")
def codec(ring: KeyRing) -> Codec:
    return Codec(keys=ring, policy=Policy.packs("stdlib"))


@pytest.fixture(scope="session")
def stranger() -> Codec:
    """A codec of somebody who does not have the key."""
    return Codec(keys=KeyRing.generate(), policy=Policy.packs("stdlib"))


def tampered(data: bytes) -> bytes:
    """Return signed bytes with one bit changed in the payload."""
    at = len(data) - 40
    return data[:at] + bytes((data[at] ^ 1,)) + data[at + 1 :]


#: A pickle that calls: what nobody who reads a cache may ever run.
HOSTILE = b"cos\nabort\n)R."


@pytest.fixture(scope="session")
def redis_server() -> Iterator[str]:
    """The socket of a Redis server of our own, on loopback, with nothing kept on disk."""
    program = shutil.which("redis-server")
    if program is None:
        message = "redis-server is not installed (Debian: apt-get install redis-server)"
        if REDIS_REQUIRED:
            pytest.fail(message)
        pytest.skip(message)
    redis = host("redis")
    import socket

    with tempfile.TemporaryDirectory() as directory:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = probe.getsockname()[1]
        command = [program, "--bind", "127.0.0.1", "--port", str(port), "--save", "", "--appendonly", "no"]
        command += ["--dir", directory, "--daemonize", "no", "--logfile", str(Path(directory) / "log")]
        server = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        try:
            client = redis.Redis(port=port)
            for _ in range(200):
                try:
                    client.ping()
                    break
                except redis.exceptions.ConnectionError:
                    assert server.poll() is None, (Path(directory) / "log").read_text("utf-8")
                    time.sleep(0.05)
            else:
                pytest.fail("redis-server does not answer")
            client.close()
            yield f"redis://127.0.0.1:{port}"
        finally:
            server.terminate()
            server.wait(10)


@pytest.fixture
def redis_url(redis_server: str) -> Iterator[str]:
    """The server, empty."""
    client = host("redis").Redis.from_url(redis_server)
    client.flushall()
    yield redis_server
    client.close()


@pytest.fixture
def redis_client(redis_url: str) -> Iterator[Any]:
    client = host("redis").Redis.from_url(redis_url)
    yield client
    client.close()
