"""find_symmetry invents nothing: random programs of every primitive that has a rule.

Every element that is found is tried. What brute force finds beside is counted and printed.
`make fuzz N=5000` tries more programs than the ordinary tests do, `SEED=1` others.
"""

import os
from collections import Counter

import jax
import pytest
from hypothesis import HealthCheck, assume, given, seed, settings, strategies as st
from programs import Program, write_program
from trial import Useless, try_program

NUM_PROGRAMS = int(os.environ.get("FUZZ_PROGRAMS", "50"))
SEED = int(os.environ.get("FUZZ_SEED", "0"))
SHARD = 50
SHARDS = [min(SHARD, NUM_PROGRAMS - start) for start in range(0, NUM_PROGRAMS, SHARD)]
LEAST_SHARE_WITH_GROUPS = 0.5


@st.composite
def programs(draw) -> Program:
    choose = lambda options: draw(st.sampled_from(list(options)))
    return write_program(choose, draw(st.integers(0, 2**16)))


@pytest.mark.slow
@pytest.mark.usefixtures("ranks_promote", "float64", "unchecked")
@pytest.mark.filterwarnings("ignore:apply must not draw random numbers")
@pytest.mark.filterwarnings("ignore:Only primitives with a rule can be followed")
@pytest.mark.parametrize("shard", range(len(SHARDS)))
def test_programs_keep_their_function_under_all_that_is_found(shard, record_property) -> None:
    counts: Counter[str] = Counter()

    @seed(SEED + 1000 * shard)
    @settings(
        max_examples=SHARDS[shard],
        derandomize=False,
        suppress_health_check=list(HealthCheck),
        report_multiple_bugs=False,
    )
    @given(program=programs())
    def try_programs(program: Program) -> None:
        try:
            try_program(program, counts)
        except Useless:
            counts["programs discarded"] += 1
            assume(False)

    try:
        try_programs()
    finally:
        record_property("counted", dict(counts))
        jax.clear_caches()  # of thousands of programs, none of which comes again
    assert counts["with groups"] >= LEAST_SHARE_WITH_GROUPS * counts["programs"]
