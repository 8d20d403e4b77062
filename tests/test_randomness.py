"""A draw is a function of (seed, replication, purpose, week, entity) and of nothing else."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sim.base.randomness import Purpose, Randomness


@given(
    st.lists(st.integers(0, 300), min_size=1, max_size=20),
    st.integers(0, 200),
    st.sampled_from(list(Purpose)),
)
def test_order_company_and_repetition_do_not_matter(ids: list[int], week: int, purpose: Purpose) -> None:
    random = Randomness(7, 2)
    asked = np.array(ids)
    everybody = np.arange(400)
    for draw in (random.uniform, random.normal):
        assert np.array_equal(draw(purpose, week, asked), draw(purpose, week, everybody)[asked])


def test_every_part_of_the_key_counts() -> None:
    ids = np.arange(50)
    streams = [
        Randomness(seed, replication).uniform(purpose, week, ids).tobytes()
        for seed in (0, 1)
        for replication in (0, 1)
        for purpose in (Purpose.BITCOIN, Purpose.DEMAND)
        for week in (0, 1)
    ]
    assert len(set(streams)) == 16


def test_purposes_are_never_renumbered() -> None:
    """Stored results and paired branches rest on these numbers: append, never change."""
    assert [(p.name, p.value) for p in Purpose][:17] == [
        ("BITCOIN", 1),
        ("DEMAND", 2),
        ("IDIOSYNCRATIC_RENT", 3),
        ("POWER", 4),
        ("FAILURE", 5),
        ("ENERGISATION", 6),
        ("TENANCY", 7),
        ("VINTAGE", 8),
        ("FINANCING", 9),
        ("ACQUAINTANCE", 10),
        ("UTILISATION", 11),
        ("DISCOUNT_RATE", 12),
        ("ASSIGNABILITY", 13),
        ("BITCOIN_JUMP", 14),
        ("BITCOIN_LOW", 15),
        ("PRESENCE", 16),
        ("SPOT", 17),
    ]


def test_moments_and_independence_across_weeks() -> None:
    random = Randomness(1)
    table = np.array([random.normal(Purpose.FAILURE, week, np.arange(400)) for week in range(100)])
    assert abs(table.mean()) < 4 / np.sqrt(table.size)
    assert table.std() == pytest.approx(1.0, abs=0.02)
    assert abs(np.corrcoef(table[:-1].ravel(), table[1:].ravel())[0, 1]) < 4 / np.sqrt(table.size)


def test_negative_entities_are_refused_and_nobody_draws_nothing() -> None:
    random = Randomness(1)
    for draw in (random.uniform, random.normal):
        with pytest.raises(ValueError, match="-1 is negative"):
            draw(Purpose.FAILURE, 0, np.array([3, -1]))
        assert draw(Purpose.FAILURE, 0, np.array([], dtype=np.int64)).shape == (0,)
