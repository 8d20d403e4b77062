"""Bitcoin by week: resampled history, jump diffusion, replay or flat, with the lowest price of every week.

The low matters more than the close: a bitcoin loan is called on it. Between two closes the price is a Brownian bridge,
whose minimum has a known law, so the low is drawn and not searched for. Laws: contracts.md section 2.1.
"""

from dataclasses import dataclass
from datetime import date

import numpy as np

from agents.vocabulary import MONTHS_PER_YEAR, WEEKS_PER_YEAR, Floats, Ints
from sim.base import reference
from sim.base.randomness import Purpose, Randomness
from sim.base.user_table import Number
from sim.drivers.regime import Regime, mixture_score, weekly_normals, weekly_uniforms
from sim.drivers.replay import Origin, WeeklyPath, interpolated, prints_of
from sim.parameters.outside import BitcoinParameters

DT = 1.0 / WEEKS_PER_YEAR
# Days on which the subsidy fell to half; the last is expected, and later ones come every 210,000 blocks.
HALVINGS = (
    date(2012, 11, 28),
    date(2016, 7, 9),
    date(2020, 5, 11),
    date(2024, 4, 20),
    date(2028, 4, 15),
)
FIRST_SUBSIDY_BTC = 50.0
BLOCKS_PER_HALVING = 210_000
BLOCKS_PER_DAY = 144.0
PRICE = Number("value", low=1_000, high=2_000_000, unit="USD")


def subsidy_btc(days: np.ndarray[tuple[int, ...], np.dtype[np.datetime64]]) -> Floats:
    """New coins per block on each day.

    >>> subsidy_btc(np.array(["2020-05-10", "2024-04-20", "2028-04-15", "2033-01-03"], dtype="datetime64[D]")).tolist()
    [12.5, 3.125, 1.5625, 0.78125]
    """
    later = np.maximum((days - np.datetime64(HALVINGS[-1])) / np.timedelta64(1, "D"), 0.0)
    halved = np.searchsorted(np.array(HALVINGS, dtype="datetime64[D]"), days, side="right")
    halved = halved + (later * BLOCKS_PER_DAY // BLOCKS_PER_HALVING).astype(np.int64)
    return np.asarray(FIRST_SUBSIDY_BTC / 2.0**halved)


def hashprice(
    bitcoin_usd: float | Floats, subsidy_btc: float | Floats, fee_share: float, hashrate_ph_per_s: float
) -> Floats:
    """Miners' income per PH/s and day, USD: ``144 (subsidy + fees) P / H``.

    >>> float(hashprice(86_000, 3.125, 0.01, 1.02e6).round(1))
    38.3
    """
    income = BLOCKS_PER_DAY * np.asarray(subsidy_btc) * (1.0 + fee_share) * np.asarray(bitcoin_usd)
    return np.asarray(income / hashrate_ph_per_s)


@dataclass(frozen=True, slots=True)
class BitcoinPath:
    """Bitcoin over the run, all of shape (T,).

    Attributes
    ----------
    usd : price at the close of the week;
    low_usd : lowest price between the last close and this one;
    score : the week's shock as a standard normal, for the copula; NaN where nothing is drawn;
    origin : `sim.drivers.replay.Origin` of the close.
    """

    usd: Floats
    low_usd: Floats
    score: Floats
    origin: Ints


def bitcoin_path(
    parameters: BitcoinParameters, randomness: Randomness, regime: Regime, start: date, n_weeks: int
) -> BitcoinPath:
    """The path ``bitcoin.driver`` asks for. Draws depend on nothing but seed, replication and week."""
    unlinked = np.full(n_weeks, np.nan)
    if parameters.driver == "flat":
        path = np.full(n_weeks, parameters.initial_price_usd)
        return BitcoinPath(path, path.copy(), unlinked, np.full(n_weeks, int(Origin.ASSUMED)))
    if parameters.driver == "replay":
        cited = _closes(parameters, start, n_weeks)
        before = np.r_[cited.values[0], cited.values[:-1]]
        # Monthly closes hold no lows; anything below both closes would be made up.
        return BitcoinPath(cited.values, np.minimum(before, cited.values), unlinked, cited.origin)
    drawn = _bootstrapped if parameters.driver == "bootstrap" else _merton
    path, low, score = drawn(parameters, randomness, regime, n_weeks)
    return BitcoinPath(path, low, score, np.full(n_weeks, int(Origin.DRAWN)))


def _closes(parameters: BitcoinParameters, start: date, n_weeks: int) -> WeeklyPath:
    if parameters.replay_file:
        prints = prints_of(parameters.replay_file, {"bitcoin": PRICE}, start, n_weeks)
        return interpolated(start, *prints["bitcoin"], n_weeks)
    series = reference.monthly("btc_usd_close")
    return interpolated(start, series.last_days, series.values.tolist(), n_weeks)


def _merton(
    parameters: BitcoinParameters, randomness: Randomness, regime: Regime, n_weeks: int
) -> tuple[Floats, Floats, Floats]:
    """Diffusion with compensated jumps: the expected price grows at `drift`. Stress widens the diffusion only."""
    luck = weekly_normals(randomness, Purpose.BITCOIN, n_weeks, 1)[:, 0]
    jumps = weekly_normals(randomness, Purpose.BITCOIN_JUMP, n_weeks, 1)[:, 0]
    arrival = weekly_uniforms(randomness, Purpose.BITCOIN_LOW, n_weeks, 2)
    chance = parameters.jump_rate * DT
    jump = (arrival[:, 0] < chance) * (parameters.jump_mean + parameters.jump_deviation * jumps)
    compensator = parameters.jump_rate * np.expm1(parameters.jump_mean + parameters.jump_deviation**2 / 2)
    diffusion = parameters.diffusion * regime.volatility
    shock = diffusion * np.sqrt(DT) * luck + jump
    step = (parameters.drift - 0.5 * diffusion**2 - compensator) * DT
    step = step + diffusion * np.sqrt(DT) * luck + jump
    step[0] = 0.0
    path = parameters.initial_price_usd * np.exp(np.cumsum(step))
    calm = diffusion * np.sqrt(DT)
    score = mixture_score(
        shock,
        np.array([1.0 - chance, chance]),
        np.array([0.0, parameters.jump_mean]),
        np.stack([calm, np.hypot(calm, parameters.jump_deviation)], axis=1),
    )
    return path, _lows(path, step, diffusion, arrival[:, 1]), score


def month_closes(n_weeks: int) -> Ints:
    """Weeks in which simulated months close, twelve to a 52-week year, until the horizon is covered.

    >>> month_closes(27).tolist()
    [4, 9, 13, 17, 22, 26]
    """
    count = 1
    while round(WEEKS_PER_YEAR * count / MONTHS_PER_YEAR) < n_weeks - 1:
        count += 1
    ends = [round(WEEKS_PER_YEAR * month / MONTHS_PER_YEAR) for month in range(1, count + 1)]
    return np.array(ends, dtype=np.int64)


def drawn_months(parameters: BitcoinParameters, randomness: Randomness, closes: Ints, history: int) -> Ints:
    """Months of history in the order a run lives them: blocks of geometric length, wrapping round at the end.

    The stationary bootstrap (Politis and Romano 1994): each month goes on with the next one of history, or, with
    probability ``1 / block_months``, starts a new block anywhere.
    """
    months = np.zeros(len(closes), dtype=np.int64)
    for place, week in enumerate(closes):
        restart, where = randomness.uniform(Purpose.BITCOIN_JUMP, int(week), np.arange(2))
        if place == 0 or restart < 1.0 / parameters.block_months:
            months[place] = int(where * history)
        else:
            months[place] = (months[place - 1] + 1) % history
    return months


def _bootstrapped(
    parameters: BitcoinParameters, randomness: Randomness, regime: Regime, n_weeks: int
) -> tuple[Floats, Floats, Floats]:
    """Resampled monthly log returns, with a Brownian bridge over the weeks of every month.

    Returns are recentred so that the expected price grows at `drift`: the past decade's rise is not a forecast. Stress
    widens the weekly steps, so only paths without it close every month at the resampled return.
    """
    closes = month_closes(n_weeks)
    history = np.diff(np.log(reference.monthly("btc_usd_close").values))
    months = drawn_months(parameters, randomness, closes, len(history))
    luck = weekly_normals(randomness, Purpose.BITCOIN, int(closes[-1]) + 1, 1)[:, 0]
    step, score = np.zeros(len(luck)), np.zeros(len(luck))
    growth = np.log(np.mean(np.exp(history)))
    opened = 0
    for month, closed in zip(months, closes, strict=True):
        weeks = slice(opened + 1, closed + 1)
        length = int(closed) - opened
        noise = parameters.bridge_volatility * np.sqrt(DT) * luck[weeks]
        # Increments of a bridge: what is left of free increments when their mean is taken out.
        change = history[month] / length + noise - noise.mean()
        step[weeks] = change - growth / length + parameters.drift * DT
        score[weeks] = mixture_score(
            change,
            np.full(len(history), 1.0 / len(history)),
            history / length,
            np.full(1, parameters.bridge_volatility * np.sqrt(DT * (1.0 - 1.0 / length))),
        )
        opened = int(closed)
    step = step[:n_weeks] * regime.volatility
    path = parameters.initial_price_usd * np.exp(np.cumsum(step))
    low = weekly_uniforms(randomness, Purpose.BITCOIN_LOW, n_weeks, 2)[:, 1]
    return path, _lows(path, step, parameters.bridge_volatility * regime.volatility, low), score[:n_weeks]


def _lows(path: Floats, step: Floats, volatility: Floats, luck: Floats) -> Floats:
    """Lowest point of a Brownian bridge between two closes, by inversion of its distribution."""
    gap = np.abs(step)
    variance = volatility**2 * DT
    depth = 0.5 * (np.sqrt(gap**2 - 2 * variance * np.log(1.0 - luck)) - gap)
    before = np.r_[path[0], path[:-1]]
    return np.asarray(np.minimum(before, path) * np.exp(-depth))
