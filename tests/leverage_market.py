"""The market of Thurner, Farmer and Geanakoplos (2012): noise traders and value funds that borrow up to a limit (T6).

Daily steps, one asset of value V = 1 and supply N = 1,000. Noise traders spend cash that reverts to V N,
``ln X(t+1) = rho ln X(t) + (1 - rho) ln(V N) + sigma chi``. Fund h with aggression beta holds
``min(beta m, lambda) W / p`` where the mispricing ``m = V - p`` is positive, nothing otherwise. The price clears the market
each step; wealth is marked to it, investors bring or take ``b`` of wealth by smoothed return over a benchmark, a fund
below a tenth of its first wealth fails and is replaced after 100 steps. All markets are stepped together, one per row.
"""

from dataclasses import dataclass

import numpy as np

VALUE, SUPPLY = 1.0, 1_000.0
REVERSION, VOLATILITY = 0.99, 0.035
AGGRESSION = np.arange(5.0, 51.0, 5.0)
FIRST_WEALTH, FAILED_SHARE, PAUSE = 2.0, 0.1, 100
FLOW, SMOOTHING, BENCHMARK = 0.15, 0.1, 0.005
ROOTS = 60


@dataclass(frozen=True)
class Paths:
    """Log returns (steps, markets) and failures of funds per 1,000 steps (markets,)."""

    returns: np.ndarray
    failures: np.ndarray


def demand(price, wealth, cap):
    """Units each fund wants at a price, (markets, funds)."""
    mispricing = np.maximum(VALUE - price, 0.0)[:, None]
    return np.minimum(AGGRESSION * mispricing, cap[:, None]) * wealth / price[:, None]


def clearing_price(noise, cash, held, cap):
    """Price at which noise traders and funds hold the supply, by bisection; wealth is cash and holdings at that price."""
    low, high = np.full(len(noise), 1e-4), np.full(len(noise), 3.0)
    for _ in range(ROOTS):
        price = 0.5 * (low + high)
        wealth = np.maximum(cash + held * price[:, None], 0.0)
        excess = noise / price + demand(price, wealth, cap).sum(axis=1) - SUPPLY
        low, high = np.where(excess > 0, price, low), np.where(excess > 0, high, price)
        if (high - low).max() < 1e-9:
            break
    return 0.5 * (low + high)


def run(limits, steps, seed) -> Paths:
    """Step one market per leverage limit; markets of one seed have the same noise."""
    cap = np.asarray(limits, float)
    draw = np.random.default_rng(seed).normal(size=steps)
    n, funds = len(cap), len(AGGRESSION)
    log_noise = np.log(VALUE * SUPPLY)
    cash, held = np.full((n, funds), FIRST_WEALTH), np.zeros((n, funds))
    smoothed, waiting = np.zeros((n, funds)), np.zeros((n, funds), dtype=int)
    price, failures = np.full(n, VALUE), np.zeros(n)
    logs = np.empty((steps, n))
    for t in range(steps):
        log_noise = REVERSION * log_noise + (1 - REVERSION) * np.log(VALUE * SUPPLY) + VOLATILITY * draw[t]
        before = cash + held * price[:, None]
        price = clearing_price(np.full(n, np.exp(log_noise)), cash, held, cap)
        wealth = cash + held * price[:, None]
        wanted = demand(price, np.maximum(wealth, 0.0), cap)
        cash, held = wealth - wanted * price[:, None], wanted
        # Investors follow smoothed performance; they cannot take more than there is.
        live = (waiting == 0) & (before > 0)
        gain = np.where(live, wealth / np.where(before > 0, before, 1.0) - 1.0, 0.0)
        smoothed = np.where(live, (1 - SMOOTHING) * smoothed + SMOOTHING * gain, 0.0)
        flow = np.where(live, FLOW * (smoothed - BENCHMARK) * np.maximum(wealth, 0.0), 0.0)
        cash = cash + np.maximum(flow, -np.maximum(wealth, 0.0))
        gone = live & (cash + held * price[:, None] < FAILED_SHARE * FIRST_WEALTH)
        failures += gone.sum(axis=1)
        waiting = np.where(gone, PAUSE, np.maximum(waiting - 1, 0))
        reborn = (waiting == 1) & ~gone
        cash = np.where(gone, 0.0, np.where(reborn, FIRST_WEALTH, cash))
        held = np.where(gone | reborn, 0.0, held)
        logs[t] = np.log(price)
    return Paths(np.diff(logs, axis=0), failures * 1_000 / steps)


def moments(returns) -> tuple[float, float, float]:
    """Excess kurtosis, Hill exponent of the worst 1 % of returns, autocorrelation of absolute returns at lag 10."""
    x = returns - returns.mean()
    kurtosis = float((x**4).mean() / (x**2).mean() ** 2 - 3.0)
    losses = np.sort(-returns[returns < 0])[::-1]
    worst = losses[: max(int(len(losses) * 0.01), 10)]
    hill = float(1.0 / np.mean(np.log(worst[:-1] / worst[-1])))
    size = np.abs(returns) - np.abs(returns).mean()
    return kurtosis, hill, float((size[10:] * size[:-10]).mean() / (size**2).mean())
