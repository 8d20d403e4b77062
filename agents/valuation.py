"""What a GPU is worth to someone: discounted margin until it no longer pays, then salvage.

Sources: contracts.md section 3 (closed form) and economics.md section 5 (conditional mean), derived from the
discounted-cash-flow identity; values are USD per GPU at system level, rents USD per GPU-hour, rates a year.
All functions broadcast; step arrays carry one extra trailing axis.
"""

from collections.abc import Callable

import numpy as np
from numpy.typing import ArrayLike

from agents.vocabulary import HOURS_PER_MONTH, HOURS_PER_YEAR, Floats

BELIEFS = ("myopic", "consistent", "extrapolative")
# Nodes per smooth piece: the integrand is a sum of exponentials, so 16 give close to machine precision.
_NODES, _WEIGHTS = np.polynomial.legendre.leggauss(16)


def running_cost_per_hour(
    kilowatts: ArrayLike,
    power_usd_per_kwh: ArrayLike,
    pue: ArrayLike,
    load_factor: ArrayLike,
    hosting_usd_per_kw_month: ArrayLike,
) -> Floats:
    """Power and slot of one GPU for an hour, USD; everything else is overhead, a share of revenue.

    ``c = k (p PUE l + h / 730)`` with k the nameplate kW of the GPU's share of the system.

    >>> float(running_cost_per_hour(1.275, 0.05, 1.25, 0.85, 120.0).round(4))
    0.2773
    """
    energy = np.asarray(power_usd_per_kwh) * np.asarray(pue) * np.asarray(load_factor)
    space = np.asarray(hosting_usd_per_kw_month) / HOURS_PER_MONTH
    return np.asarray(np.asarray(kilowatts) * (energy + space))


def _pieces(
    rent: Floats, step_years: ArrayLike | None, step_drops: ArrayLike | None
) -> tuple[Floats, Floats, Floats]:
    """Start, end and rent multiplier of the intervals between release steps, trailing axis = pieces."""
    if step_years is None or step_drops is None or np.shape(step_years)[-1] == 0:
        zero = np.zeros((*np.shape(rent), 1))
        return zero, zero + np.inf, zero + 1.0
    years, drops = np.asarray(step_years, float), np.asarray(step_drops, float)
    order = np.argsort(years, axis=-1, kind="stable")
    years = np.take_along_axis(years, order, -1)
    drops = np.take_along_axis(drops, order, -1)
    lead = np.zeros((*years.shape[:-1], 1))
    start = np.concatenate([lead, years], axis=-1)
    end = np.concatenate([years, lead + np.inf], axis=-1)
    factor = np.concatenate([lead + 1.0, np.cumprod(1.0 - drops, axis=-1)], axis=-1)
    return start, end, factor


def economic_life(
    rent: ArrayLike, utilisation: ArrayLike, trend: ArrayLike, cost_per_hour: ArrayLike
) -> Floats:
    """Years until the margin is gone, ``ln(r u / c) / delta``; infinite for a rent that does not fall.

    >>> float(economic_life(1.70, 0.8, 0.25, 0.4273).round(1))
    4.6
    """
    cost = np.asarray(cost_per_hour, float)
    income = np.asarray(rent, float) * np.asarray(utilisation, float)
    # Free running never stops paying, whatever the rent.
    ratio = np.where(cost > 0, income / np.where(cost > 0, cost, 1.0), np.inf)
    delta = np.asarray(trend, float)
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        years = np.where(
            delta > 0, np.log(np.maximum(ratio, 1e-300)) / np.where(delta > 0, delta, 1.0), np.inf
        )
    return np.asarray(np.where(ratio > 1, years, 0.0))


def _annuity(rate: Floats, start: Floats, end: Floats) -> Floats:
    """Integral of exp(-rate t) from start to end."""
    safe = np.where(rate == 0, 1.0, rate)
    return np.where(rate == 0, end - start, (np.exp(-safe * start) - np.exp(-safe * end)) / safe)


def unit_value(
    *,
    rent: ArrayLike,
    utilisation: ArrayLike,
    trend: ArrayLike,
    discount_rate: ArrayLike,
    hazard: ArrayLike,
    cost_per_hour: ArrayLike,
    salvage: ArrayLike,
    salvage_decay: ArrayLike,
    remaining_life_years: ArrayLike,
    step_years: ArrayLike | None = None,
    step_drops: ArrayLike | None = None,
) -> Floats:
    """Closed-form value of a GPU in a slot, USD (contracts.md section 3).

    Rent falls at `trend` and by `step_drops` at `step_years`; the unit runs while its margin is positive and its
    life lasts, fails at `hazard`, and is then sold for parts.

    >>> float(unit_value(rent=2.35, utilisation=0.8, trend=0.25, discount_rate=0.15, hazard=0.03,
    ...     cost_per_hour=0.42733, salvage=1500, salvage_decay=0.2, remaining_life_years=5).round(-1))
    21720.0
    """
    r = np.asarray(rent, float) * np.asarray(utilisation, float)
    cost = np.asarray(cost_per_hour, float)
    rate = np.asarray(discount_rate, float) + np.asarray(hazard, float)
    delta = np.asarray(trend, float)
    life = np.asarray(remaining_life_years, float)
    r, cost, rate, delta, life = np.broadcast_arrays(r, cost, rate, delta, life)
    start, end, factor = _pieces(r, step_years, step_drops)
    lasts = economic_life(r[..., None] * factor, 1.0, delta[..., None], cost[..., None])
    start = np.minimum(start, life[..., None])
    stop = np.clip(np.minimum(lasts, life[..., None]), start, np.maximum(end, start))
    both = (rate + delta)[..., None]
    income = r[..., None] * factor * _annuity(both, start, stop)
    outgo = cost[..., None] * _annuity(rate[..., None], start, stop)
    years = np.max(np.where(stop > start, stop, 0.0), axis=-1)
    parts = np.asarray(salvage, float) * np.exp(-(rate + np.asarray(salvage_decay, float)) * years)
    return np.asarray(HOURS_PER_YEAR * (income - outgo).sum(axis=-1) + parts)


def _first_pays(
    income: Callable[[Floats, Floats], Floats], start: Floats, peak: Floats, factor: Floats, cost: Floats
) -> Floats:
    """When the margin turns positive in each piece; the start unless rents recover from below cost.

    The quadrature must begin there: across the kink its nodes would be off by some dollars.
    """
    recovers = (income(start, factor) <= cost) & (income(peak, factor) > cost)
    if not recovers.any():
        return start
    low, high = start.copy(), np.where(recovers, peak, start)
    for _ in range(48):
        middle = 0.5 * (low + high)
        pays = income(middle, factor) > cost
        high = np.where(pays, middle, high)
        low = np.where(pays, low, middle)
    return np.asarray(np.where(recovers, high, start))


def _peak_years(trend: Floats, gap: Floats, kappa: float) -> Floats:
    """When the mean of rents is highest; without a trend a depressed rent only recovers, so never."""
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        peak = np.log(np.maximum(-gap * kappa / np.where(trend > 0, trend, np.nan), 1e-300)) / kappa
    return np.where((trend <= 0) & (gap < 0), np.inf, np.where(np.isnan(peak), 0.0, peak))


def _last_pays(
    income: Callable[[Floats, Floats], Floats],
    start: Floats,
    peak: Floats,
    finish: Floats,
    factor: Floats,
    cost: Floats,
) -> Floats:
    """When the margin is gone for good in each piece, by bisection: it rises at most once and then falls."""
    low, high = peak.copy(), finish.copy()
    for _ in range(48):
        middle = 0.5 * (low + high)
        pays = income(middle, factor) > cost
        low = np.where(pays, middle, low)
        high = np.where(pays, high, middle)
    whole = income(finish, factor) > cost
    hopeless = income(peak, factor) <= cost
    return np.where(whole, finish, np.where(hopeless, start, low))


def conditional_mean_value(
    *,
    rent: ArrayLike,
    utilisation: ArrayLike,
    trend: ArrayLike,
    discount_rate: ArrayLike,
    hazard: ArrayLike,
    cost_per_hour: ArrayLike,
    salvage: ArrayLike,
    salvage_decay: ArrayLike,
    remaining_life_years: ArrayLike,
    demand: ArrayLike,
    mean_reversion: ArrayLike,
    step_years: ArrayLike | None = None,
    step_drops: ArrayLike | None = None,
) -> Floats:
    """Value under the conditional mean of rents, by quadrature (economics.md section 5).

    ``E r(t + s) = r(t) exp(-delta s - D (1 - exp(-kappa s)) - steps)``: a rent above its mean is expected to come
    back. Equal to `unit_value` when D = 0. A slot whose margin is negative stands idle at no cost.
    """
    r = np.asarray(rent, float) * np.asarray(utilisation, float)
    rate = np.asarray(discount_rate, float) + np.asarray(hazard, float)
    cost = np.asarray(cost_per_hour, float)
    delta, gap = np.asarray(trend, float), np.asarray(demand, float)
    life = np.asarray(remaining_life_years, float)
    if r.size == 0:
        return np.zeros(r.shape)
    kappa = float(np.asarray(mean_reversion))
    start, end, factor = _pieces(r, step_years, step_drops)
    common = np.broadcast_shapes(*(np.shape(a) for a in (r, cost, rate, delta, life, gap)), factor.shape[:-1])
    r, cost, rate, delta, life, gap = (np.broadcast_to(a, common) for a in (r, cost, rate, delta, life, gap))
    shape = (*common, factor.shape[-1])
    start, end, factor = (np.broadcast_to(a, shape) for a in (start, end, factor))

    def income(when: Floats, multiplier: Floats) -> Floats:
        path = np.exp(-delta[..., None] * when - gap[..., None] * -np.expm1(-kappa * when))
        return np.asarray(r[..., None] * multiplier * path)

    finish = np.minimum(end, life[..., None])
    start = np.minimum(start, finish)
    peak = np.clip(_peak_years(delta, gap, kappa)[..., None], start, finish)
    stop = _last_pays(income, start, peak, finish, factor, cost[..., None])
    begin = np.minimum(_first_pays(income, start, peak, factor, cost[..., None]), stop)
    half = 0.5 * (stop - begin)
    when = begin[..., None] + half[..., None] * (1.0 + _NODES)
    flat = (*when.shape[:-2], -1)
    gain = income(when.reshape(flat), np.repeat(factor, len(_NODES), axis=-1).reshape(flat))
    margin = np.maximum(gain - cost[..., None], 0.0).reshape(when.shape)
    discounted = margin * np.exp(-rate[..., None, None] * when)
    total = (discounted * _WEIGHTS).sum(axis=-1) * half
    years = np.max(np.where(stop > start, stop, 0.0), axis=-1)
    parts = np.asarray(salvage, float) * np.exp(-(rate + np.asarray(salvage_decay, float)) * years)
    return np.asarray(HOURS_PER_YEAR * total.sum(axis=-1) + parts)


def believed_value(
    belief: str,
    *,
    demand: ArrayLike,
    mean_reversion: ArrayLike,
    extrapolation: float,
    **valuation: ArrayLike | None,
) -> Floats:
    """Value under one of `BELIEFS` about the persistence of today's demand deviation.

    ``myopic`` takes today's rent as given (closed form); ``consistent`` uses the conditional mean;
    ``extrapolative`` expects the deviation to go on growing by `extrapolation` before it stays.
    """
    if belief == "myopic":
        return unit_value(**valuation)  # type: ignore[arg-type]
    if belief == "consistent":
        return conditional_mean_value(
            demand=demand,
            mean_reversion=mean_reversion,
            **valuation,  # type: ignore[arg-type]
        )
    if belief == "extrapolative":
        rent = np.asarray(valuation.pop("rent"), float) * np.exp(extrapolation * np.asarray(demand, float))
        return unit_value(rent=rent, **valuation)  # type: ignore[arg-type]
    raise ValueError(f"belief {belief!r}; one of {', '.join(BELIEFS)}")
