"""A key ring against a model of it: any order of rotating, staging, promoting, retiring, revoking and restarting."""

from __future__ import annotations

import tempfile
from pathlib import Path

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, consumes, initialize, invariant, multiple, rule

from safepickle.errors import KeyRingError, RevokedKeyError, UnknownKeyError
from safepickle.signing import keyfiles
from safepickle.signing.algorithms import ALGORITHMS
from safepickle.signing.keys import Key, KeyRing
from safepickle.signing.signer import Signer

#: What each state may become; the model's one rule about it.
PROMOTABLE = ("staged", "signing", "retired")


class Rings(RuleBasedStateMachine):
    """The model: a dict from ids to states, and the messages with the id that signed each."""

    messages = Bundle("messages")

    def __init__(self) -> None:
        super().__init__()
        self.directory = tempfile.TemporaryDirectory()
        self.path = Path(self.directory.name) / "keys"
        self.ring = KeyRing([])
        self.states: dict[str, str] = {}
        self.count = 0

    def teardown(self) -> None:
        self.directory.cleanup()

    def fresh(self, algorithm: str, state: str) -> Key:
        self.count += 1
        return Key.generate(f"k{self.count}", algorithm=algorithm, state=state)

    def some_id(self, data: st.DataObject) -> str:
        return data.draw(st.sampled_from([*self.states, "missing"]))

    def retire_signing(self) -> None:
        self.states = {key: "retired" if state == "signing" else state for key, state in self.states.items()}

    @initialize()
    def start(self) -> None:
        self.restart()

    @rule(algorithm=st.sampled_from(sorted(ALGORITHMS)))
    def rotate(self, algorithm: str) -> None:
        key = self.fresh(algorithm, "signing")
        self.ring = self.ring.rotate(key)
        self.retire_signing()
        self.states[key.id] = "signing"

    @rule(algorithm=st.sampled_from(sorted(ALGORITHMS)))
    def stage(self, algorithm: str) -> None:
        key = self.fresh(algorithm, "staged")
        self.ring = self.ring.stage(key)
        self.states[key.id] = "staged"

    @rule(data=st.data())
    def promote(self, data: st.DataObject) -> None:
        name = self.some_id(data)
        if self.states.get(name) not in PROMOTABLE:
            with pytest.raises(KeyRingError):
                self.ring.promote(name)
            return
        self.ring = self.ring.promote(name)
        self.retire_signing()
        self.states[name] = "signing"

    @rule(data=st.data())
    def retire(self, data: st.DataObject) -> None:
        name = self.some_id(data)
        if self.states.get(name) not in PROMOTABLE:
            with pytest.raises(KeyRingError):
                self.ring.retire(name)
            return
        self.ring = self.ring.retire(name)
        self.states[name] = "retired"

    @rule(data=st.data())
    def revoke(self, data: st.DataObject) -> None:
        name = self.some_id(data)
        if name not in self.states:
            with pytest.raises(KeyRingError):
                self.ring.revoke(name)
            return
        self.ring = self.ring.revoke(name)
        self.states[name] = "revoked"

    @rule()
    def restart(self) -> None:
        keyfiles.write_ring(self.path, self.ring)
        self.ring = KeyRing.from_file(self.path)

    @rule(target=messages, payload=st.binary(max_size=20), purpose=st.sampled_from(["cache", "queue"]))
    def sign(self, payload: bytes, purpose: str) -> object:
        signing = [name for name, state in self.states.items() if state == "signing"]
        if not signing:
            with pytest.raises(KeyRingError):
                Signer(self.ring, purpose=purpose).sign(payload)
            return multiple()
        return signing[0], purpose, payload, Signer(self.ring, purpose=purpose).sign(payload)

    @rule(message=messages)
    def verify(self, message: tuple[str, str, bytes, bytes]) -> None:
        name, purpose, payload, blob = message
        signer = Signer(self.ring, purpose=purpose)
        if self.states[name] == "revoked":
            with pytest.raises(RevokedKeyError):
                signer.open(blob)
        else:
            assert signer.open(blob) == payload

    @rule(message=consumes(messages))
    def a_ring_without_the_key_does_not_know_it(self, message: tuple[str, str, bytes, bytes]) -> None:
        name, purpose, _, blob = message
        others = KeyRing([key for key in self.ring if key.id != name])
        with pytest.raises(UnknownKeyError) as caught:
            Signer(others, purpose=purpose).open(blob)
        assert caught.value.key_id == name

    @invariant()
    def the_ring_is_the_model(self) -> None:
        assert {key.id: key.state for key in self.ring} == self.states
        assert sum(state == "signing" for state in self.states.values()) == self.ring.can_sign


TestRings = Rings.TestCase
TestRings.settings = settings(max_examples=60, stateful_step_count=30)
