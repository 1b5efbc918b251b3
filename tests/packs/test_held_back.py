"""Learning holds for more of the kind: half of some pickles gives a policy under which the other half loads.

The kinds are of libraries that no pack is for, and of estimators one by one; sizes, settings and protocols vary.
"""

from __future__ import annotations

import pickle
from types import ModuleType

import pytest
from packs.held_back import MAKERS, available, made

from safepickle.policy.hazards import DANGER, hazard_of
from safepickle.policy.learning import Learner

#: So many of each kind: what is in twenty pickles, one in each, is a habit that is written down.
MANY = 40


@pytest.mark.parametrize("name", MAKERS)
def test_the_other_half_loads(sp: ModuleType, name: str) -> None:
    if not available(name):
        pytest.skip(f"{MAKERS[name][0]} is not installed")
    data = [pickle.dumps(made(MAKERS[name][1], seed), (2, 4, 5)[seed % 3]) for seed in range(MANY)]
    for half, extends in enumerate(((), ("stdlib", "numpy"))):
        learner = Learner(extends=extends)
        for number in range(half, MANY, 2):
            learner.add(sp.inspect(data[number]))
        learned = learner.finish()
        for rule in learned.policy.rules.values():
            hazard = hazard_of(rule.module, rule.name)
            assert hazard is None or hazard.kind != DANGER or rule.source.startswith("pack")
        assert learned.withheld == ()
        for number in range(1 - half, MANY, 2):
            sp.loads(data[number], policy=learned.policy)
