"""Sampling until convergence, or until its time is spent: where it ends, and with which draws."""

from pathlib import Path
from types import SimpleNamespace

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from known_chains import EFFECTIVE, autoregressive, itself, starts, two_modes

import onebasin as ob
from onebasin.diagnostics import Converged, convergence
from onebasin.methods.ending import checked, found_in
from onebasin.samples import Samples
from onebasin.store import StoreError
from onebasin.store.draws import is_whole, num_committed

pytestmark = pytest.mark.slow

KEY = jax.random.key(0)
METHOD = autoregressive()
MOST = 1700
UNTIL = Converged(rhat=1.05, ess=150.0, least_draws=50, quantities=itself)


def draw(until: Converged | None = UNTIL, num_draws: int = MOST, **options) -> Samples:
    arguments = {"method": METHOD, "positions": starts(), "key": KEY} | options
    return ob.sample(num_draws=num_draws, until=until, **arguments)


def first(samples: Samples, num_draws: int) -> Samples:
    take = lambda leaf: leaf[:, :num_draws]
    return Samples(jax.tree.map(take, samples.params), jax.tree.map(take, samples.stats))


def found_by_hand(samples: Samples) -> dict[str, float | None]:
    lp = convergence(np.asarray(samples.stats["lp"])[..., None])
    return convergence(np.asarray(samples.params)) | {"rhat_lp": lp["rhat_max"]}


def assert_same(found: Samples, wanted: Samples) -> None:
    np.testing.assert_array_equal(found.params, wanted.params)
    jax.tree.map(np.testing.assert_array_equal, found.stats, wanted.stats)


class Stopped(Exception):
    """Raised between two chunks, as if the process ended there."""


def never(*arguments):
    raise AssertionError("nothing was to be drawn or computed")


@pytest.fixture(scope="module")
def unchecked_draws() -> Samples:
    return draw(until=None)


@pytest.fixture(scope="module")
def until_converged() -> Samples:
    return draw()


@pytest.fixture
def store(tmp_path: Path) -> Path:
    return tmp_path / "s.zarr"


def test_it_ends_at_the_first_of_the_doubling_lengths_at_which_draws_have_converged(
    unchecked_draws: Samples, until_converged: Samples
) -> None:
    def problem(num_draws: int) -> str | None:
        return UNTIL.problem(found_by_hand(first(unchecked_draws, num_draws)))

    lengths = [50, 100, 200, 400, 800, 1600, MOST]
    assert until_converged.num_draws == next(n for n in lengths if problem(n) is None)
    assert 50 < until_converged.num_draws < MOST
    assert draw(Converged(rhat=1.05, ess=1e6, least_draws=50)).num_draws == MOST


def test_the_draws_are_those_of_a_sampling_that_is_not_checked(
    unchecked_draws: Samples, until_converged: Samples
) -> None:
    assert_same(until_converged, first(unchecked_draws, until_converged.num_draws))
    np.testing.assert_array_equal(
        until_converged.last_state.position, until_converged.params[:, -1]
    )


@pytest.mark.parametrize("num_chunks", [1, 7])
def test_where_it_ends_does_not_depend_on_the_number_of_chunks(
    until_converged: Samples, num_chunks: int
) -> None:
    again = draw(num_chunks=num_chunks)
    assert_same(again, until_converged)
    assert again.convergence == until_converged.convergence


def test_samples_say_what_the_last_check_found(
    unchecked_draws: Samples, until_converged: Samples
) -> None:
    assert until_converged.convergence == found_by_hand(until_converged)
    assert UNTIL.problem(until_converged.convergence) is None
    assert unchecked_draws.convergence is None
    strict = Converged(ess=1e6, least_draws=50)
    short = draw(strict, num_draws=60)
    assert "smallest effective sample size" in strict.problem(short.convergence)


def test_each_check_is_told(until_converged: Samples) -> None:
    told: list[ob.methods.Progress] = []
    draw(progress=told.append)
    checks = [progress for progress in told if progress.phase == "check"]
    assert [check.num_steps for check in checks] == [
        n for n in UNTIL.lengths(MOST) if n <= until_converged.num_draws
    ]
    assert checks[-1].stats == until_converged.convergence
    assert {progress.total_steps for progress in told} == {MOST}


def test_compiling_is_told_before_the_first_chunk() -> None:
    told: list[ob.methods.Progress] = []
    ob.sample(METHOD, starts(), 4, num_chunks=2, progress=told.append, key=KEY)
    assert [progress.phase for progress in told] == ["compiling", "draws", "draws"]
    assert [progress.num_steps for progress in told] == [0, 2, 4]
    assert told[0].seconds == 0 < told[1].seconds


def test_quantities_are_computed_once_of_each_draw_in_the_same_few_draws_each_time() -> None:
    calls: list[tuple[int, np.ndarray]] = []

    def quantities(samples: Samples):
        calls.append((samples.num_draws, samples.params))
        return samples.params

    sizes: list[list[int]] = []
    for num_chunks in (3, 20):
        calls.clear()
        until = Converged(ess=1e6, least_draws=20, quantities=quantities)
        found = draw(until, num_draws=87, num_chunks=num_chunks)
        np.testing.assert_array_equal(np.concatenate([x for _, x in calls], 1), found.params)
        sizes.append([size for size, _ in calls])
    assert sizes == [[10] * 8 + [7]] * 2


def test_of_many_quantities_some_are_checked_and_lp_always() -> None:
    many = lambda samples: np.repeat(samples.params[..., :1], 1000, axis=2)
    samples = Samples(np.ones((2, 25, 1)), {"lp": np.zeros((2, 25))})
    values = checked(Converged(quantities=many), samples)
    shapes = [block.quantities.shape for block in values]
    assert shapes == [(2, 10, 200), (2, 10, 200), (2, 5, 200)]
    assert all((block.lp == 0).all() and (block.quantities == 1).all() for block in values)


def test_a_log_density_that_differs_between_chains_is_no_convergence() -> None:
    rng = np.random.default_rng(0)
    lp = rng.standard_normal((4, 400))
    agreeing = Samples(rng.standard_normal((4, 400, 3)), {"lp": lp})
    apart = Samples(agreeing.params, {"lp": lp + np.arange(4)[:, None]})
    until = Converged(quantities=itself)
    assert until.problem(found_in(checked(until, agreeing))) is None
    assert "R-hat of the log density" in until.problem(found_in(checked(until, apart)))


def test_a_sampling_that_is_cut_off_after_every_chunk_ends_at_the_same_draw(
    store: Path, until_converged: Samples
) -> None:
    def stop(progress):
        if progress.phase == "draws":
            raise Stopped

    found = None
    while found is None:
        try:
            found = draw(store=store, num_chunks=17, progress=stop)
        except Stopped:
            assert not is_whole(store)
    assert_same(found, until_converged)
    assert found.convergence == until_converged.convergence


def test_a_crash_after_the_last_chunk_does_not_change_the_decision(
    store: Path, until_converged: Samples
) -> None:
    def stop(progress):
        if progress.num_steps == until_converged.num_draws:
            raise Stopped

    with pytest.raises(Stopped):
        draw(store=store, progress=stop)
    assert not is_whole(store)
    same = Converged(rhat=1.05, ess=150.0, least_draws=50, quantities=never)
    found = draw(same, store=store, progress=never)
    assert is_whole(store)
    assert_same(found, until_converged)
    assert found.convergence == until_converged.convergence


def test_a_stricter_rule_goes_on_with_a_store_as_if_it_had_been_there_at_once(store: Path) -> None:
    strict = Converged(rhat=1.05, ess=500.0, least_draws=50, quantities=itself)
    assert draw(store=store).num_draws < draw(strict, store=store).num_draws
    assert_same(draw(strict, store=store, progress=never), draw(strict))


def test_draws_that_were_stored_without_a_check_are_checked(store: Path) -> None:
    draw(until=None, num_draws=MOST, store=store)
    found = draw(store=store, progress=never)
    assert found.num_draws == MOST
    assert UNTIL.problem(found.convergence) is None


def test_chains_in_two_modes_never_converge() -> None:
    positions = jnp.tile(jnp.asarray([[1.0], [1.0], [-1.0], [-1.0]]), 3)
    options = {"method": two_modes(), "positions": positions, "num_draws": 1000}
    for quantities in (itself, lambda samples: np.sign(samples.params)):
        until = Converged(rhat=1.5, ess=4.4, least_draws=20, quantities=quantities)
        found = draw(until, **options)
        assert found.num_draws == 1000
        assert until.problem(found.convergence) is not None
    by_lp = Converged(rhat=1.5, ess=4.4, least_draws=20)
    assert draw(by_lp, **options).num_draws == 20, "lp does not tell these modes apart"


def test_a_mean_is_as_exact_as_the_effective_sample_size_that_was_asked_for() -> None:
    """Its error, in units of its std if the number of draws were fixed, has a mean square of 1.

    A sampling that ended when chains agree by chance would end at larger errors. Of 120 numbers
    with a mean square of 1, it lies outside of [.66, 1.43] once in 300 times.
    """
    squares = []
    for seed in range(40):
        found = draw(positions=starts(seed=seed), key=jax.random.key(seed))
        size = 4 * found.num_draws * EFFECTIVE
        squares.append(size * found.params.mean(axis=(0, 1), dtype=np.float64) ** 2)
        assert 80 < size < 800
    assert 0.66 < np.mean(squares) < 1.43


def test_draws_with_nothing_to_check_are_refused_before_the_first_is_drawn() -> None:
    step = lambda state, key: (state, {"energy": 0.0})
    silent = ob.methods.Method(METHOD.init, step)
    with pytest.raises(ValueError, match=r"until needs quantities.*gives \['energy'\]\. Pass"):
        draw(Converged(), method=silent, progress=never)


@pytest.mark.parametrize("shape", [(4, 10), (4, 9, 2), (10, 4, 2)])
def test_quantities_of_another_shape_are_refused(shape: tuple[int, ...]) -> None:
    until = Converged(least_draws=10, quantities=lambda samples: np.zeros(shape))
    with pytest.raises(ValueError, match=r"quantities must give .*\(4, 10\) and one more axis"):
        draw(until, num_draws=20)


def test_checks_come_after_whole_blocks_of_draws() -> None:
    for least_draws in (1, 4, 7, 10, 25, 250):
        until = Converged(least_draws=least_draws)
        assert all(length % until.block == 0 for length in until.lengths(1000)[:-1])


def test_a_least_number_below_one_is_refused() -> None:
    with pytest.raises(ValueError, match="least_draws must be an int in the range"):
        Converged(least_draws=0)


def test_a_spent_budget_ends_a_sampling_after_the_chunk(unchecked_draws: Samples) -> None:
    found = draw(until=None, budget=1e-6)
    assert found.num_draws == 85  # one of 20 chunks
    assert_same(found, first(unchecked_draws, 85))
    assert draw(until=None, budget=1e6).num_draws == MOST


def test_a_larger_budget_goes_on_and_the_same_budget_does_not(
    store: Path, until_converged: Samples
) -> None:
    found = draw(num_chunks=70, budget=1e-6, store=store)
    assert found.num_draws == 30
    assert UNTIL.problem(found.convergence) is not None
    assert is_whole(store)
    again = draw(num_chunks=70, budget=1e-6, store=store, progress=never)
    assert_same(again, found)
    assert again.convergence == found.convergence
    assert_same(draw(num_chunks=70, budget=1e6, store=store), until_converged)


def test_draws_that_had_converged_when_the_budget_was_spent_end_at_an_allowed_length_all_the_same(
    store: Path,
) -> None:
    easy = Converged(rhat=10.0, ess=1.0, least_draws=50, quantities=itself)
    found = draw(easy, num_chunks=70, budget=1e-6, store=store)
    assert found.num_draws == 30
    assert easy.problem(found.convergence) is None
    assert draw(easy, num_chunks=70, store=store).num_draws == 50


def test_a_budget_that_is_spent_in_the_warm_up_is_an_error_and_a_store_goes_on(
    store: Path,
) -> None:
    method = autoregressive(num_warmup=40)
    with pytest.raises(TimeoutError, match=r"spent after 2 of 40 steps of the warm-up\. Raise"):
        draw(until=None, method=method, budget=1e-6, store=store)
    assert not is_whole(store)
    assert num_committed(store) == 0
    assert_same(
        draw(until=None, method=method, num_draws=60, store=store),
        draw(until=None, method=method, num_draws=60),
    )


@pytest.mark.parametrize("budget", [0.0, -1.0, float("inf")])
def test_a_budget_that_is_no_time_is_refused(budget: float) -> None:
    with pytest.raises(ValueError, match="budget must be positive"):
        draw(budget=budget)


def frozen(num_warmup: int) -> ob.methods.Method:
    stats = {"lp": jnp.zeros(()), "acceptance_rate": jnp.zeros(()), "step_size": jnp.full((), 0.5)}
    step = lambda state, key: (state, stats)
    return ob.methods.Method(METHOD.init, step, num_warmup)


@pytest.mark.parametrize(("num_warmup", "num_steps"), [(100, 100), (0, 85)])
def test_chains_that_never_move_are_told_at_once(num_warmup: int, num_steps: int) -> None:
    told = []
    message = (
        rf"None of 4 has left its start in {num_steps} steps, with an acceptance rate of 0 at a "
        r"step size of 0\.5\. Lower step_size"
    )
    with pytest.raises(ValueError, match=message):
        draw(until=None, method=frozen(num_warmup), progress=told.append)
    assert {progress.phase for progress in told} <= {"compiling", "warmup"}


def test_chains_that_never_move_are_told_again_by_a_store(store: Path) -> None:
    for _ in range(2):
        with pytest.raises(ValueError, match="None of 4 has left its start in 100 steps"):
            draw(until=None, method=frozen(100), store=store)


def test_chains_that_reject_a_few_steps_by_chance_are_let_go_on() -> None:
    assert draw(until=None, method=frozen(0), num_draws=12).num_draws == 12


def test_a_disk_without_room_is_refused_before_anything_compiles(store: Path, monkeypatch) -> None:
    from onebasin.methods import sizes

    monkeypatch.setattr(sizes.shutil, "disk_usage", lambda path: SimpleNamespace(free=9000))
    with pytest.raises(StoreError, match=r"must have room.*Got 9e-06 GB free.*1700 draws") as told:
        draw(store=store, progress=never)
    assert "\n" not in str(told.value)
    assert draw(store=None).num_draws < MOST
