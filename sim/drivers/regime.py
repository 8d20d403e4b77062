"""Calm and stress: a two-state chain, and the Gaussian copula that links bitcoin and rent shocks in each state.

The link mixes normals that are drawn anyway, so a correlation of zero leaves every path bit for bit as it is without
this module, and the bitcoin path is the same at every correlation. Convergence of the two markets is a scenario
here, not a belief: in the one episode on record they went opposite ways (contracts.md 0 and 2.5, economics.md 7).
"""

from dataclasses import dataclass

import numpy as np
from scipy.special import ndtr, ndtri

from agents.vocabulary import Bools, Floats
from sim.base.randomness import Purpose, Randomness
from sim.parameters.outside import CorrelationParameters

# Scores further out would be infinite: a shock beyond the eighth deviation is as good as certain.
SMALLEST_TAIL = 1e-15


def weekly_normals(randomness: Randomness, purpose: Purpose, n_weeks: int, entities: int) -> Floats:
    """Standard normals by week and entity, shape (n_weeks, entities)."""
    who = np.arange(entities)
    return np.array([randomness.normal(purpose, week, who) for week in range(n_weeks)])


def weekly_uniforms(randomness: Randomness, purpose: Purpose, n_weeks: int, entities: int) -> Floats:
    """Uniforms in [0, 1) by week and entity, shape (n_weeks, entities)."""
    who = np.arange(entities)
    return np.array([randomness.uniform(purpose, week, who) for week in range(n_weeks)])


@dataclass(frozen=True, slots=True)
class Regime:
    """State of the world by week, all of shape (T,).

    Attributes
    ----------
    stress : whether the week is one of stress;
    rho : correlation of the normal scores of bitcoin's and rents' weekly shocks;
    volatility : factor on the deviation of both;
    shift : log level to which rent demand reverts.
    """

    stress: Bools
    rho: Floats
    volatility: Floats
    shift: Floats


def regime_path(parameters: CorrelationParameters, randomness: Randomness, n_weeks: int) -> Regime:
    """The chain of calm and stress weeks; a run begins in calm.

    ``correlation.driver``: ``markov`` draws the chain, ``calm`` and ``stress`` stay in one state.
    """
    stress = np.zeros(n_weeks, dtype=np.bool_)
    if parameters.driver == "stress":
        stress[:] = True
    elif parameters.driver == "markov":
        luck = weekly_uniforms(randomness, Purpose.REGIME, n_weeks, 1)[:, 0]
        for week in range(1, n_weeks):
            leaves = parameters.stress_to_calm if stress[week - 1] else parameters.calm_to_stress
            stress[week] = stress[week - 1] != (luck[week] < leaves)
    return Regime(
        stress=stress,
        rho=np.where(stress, parameters.rho_stress, parameters.rho_calm),
        volatility=np.where(stress, parameters.stress_volatility_scale, 1.0),
        shift=np.where(stress, parameters.stress_mean_shift, 0.0),
    )


def linked(own: Floats, other: Floats, rho: Floats) -> Floats:
    """Normals with correlation `rho` to `other`, made from independent ones: ``rho other + sqrt(1 - rho^2) own``.

    With ``rho = 0`` the result is `own`, bit for bit.
    """
    return np.asarray(rho * other + np.sqrt(1.0 - rho**2) * own)


def mixture_score(shock: Floats, weight: Floats, mean: Floats, deviation: Floats) -> Floats:
    """Normal score of shocks whose law is a mixture of normals: a standard normal with the same ranks.

    Parameters
    ----------
    shock : (T,)
    weight, mean, deviation
        Components on the trailing axis, each broadcastable to (T, components); weights sum to one.
    """
    spread = np.maximum(deviation, np.finfo(float).tiny)
    below = (weight * ndtr((shock[:, None] - mean) / spread)).sum(axis=-1)
    return np.asarray(ndtri(np.clip(below, SMALLEST_TAIL, 1.0 - SMALLEST_TAIL)))
