"""When coverage falls to its covenant, from its headroom, with part of the rent contracted (theory.md D.6)."""

import numpy as np


def coverage_breach_years(
    headroom: float,
    fixed_cost_share: float,
    trend: float,
    *,
    contracted_share: float = 0.0,
    contract_years: float = np.inf,
) -> float:
    """Years until debt service coverage falls to its covenant (theory.md D.6).

    ``t_D = (1/delta) ln{1 / [omega + (1 - omega)/h]}``; with a share kappa of the rent contracted, rent is
    ``kappa + (1 - kappa) exp(-delta t)`` until the contract ends and ``exp(-delta t)`` after.

    Parameters
    ----------
    headroom
        h, opening DSCR over covenant DSCR.
    fixed_cost_share
        omega, running cost over opening revenue.
    trend
        delta, log decline of rent a year; zero or negative never breaches.

    Returns
    -------
    float
        Years; 0 if in breach at once, infinity if never.

    >>> round(12 * coverage_breach_years(1.3, 0.25, 0.3), 1)
    7.6
    """
    rent = fixed_cost_share + (1.0 - fixed_cost_share) / headroom
    if rent >= 1.0:
        return 0.0
    if trend <= 0:
        return float(np.inf)
    merchant = -np.log(rent) / trend if rent > 0 else np.inf
    if contracted_share == 0.0:
        return float(merchant)
    floating = (rent - contracted_share) / (1.0 - contracted_share) if contracted_share < 1 else 0.0
    covered = -np.log(floating) / trend if floating > 0 else np.inf
    return float(covered if covered <= contract_years else max(contract_years, merchant))
