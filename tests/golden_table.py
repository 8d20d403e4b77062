"""Digests of eight runs that between them use every part of the model: `make golden` prints them, one line each.

What does not change a number leaves every line as it was. What does is declared in CHANGELOG.md.
"""

from experiments.runs.steady_numbers import steady_environment

steady_environment()

from experiments.design.scenario import load  # noqa: E402
from experiments.runs.run import simulate  # noqa: E402
from experiments.runs.store import digest_of  # noqa: E402

RUNS = (
    ("ten_thousand_h100", None, 7, {"clock.weeks": 45}),
    ("ten_thousand_h100", "in_place-loose", 8, {"clock.weeks": 40}),
    ("credit_crisis", None, 7, {"clock.weeks": 104, "credit.mark_to_market_share": 0.5}),
    ("credit_crisis", None, 11, {"clock.weeks": 200, "discount.shapley_weeks": 0}),
    ("rent_slump", None, 3, {"clock.weeks": 60, "search.enabled": True}),
    ("correlation_convergence", None, 7, {"clock.weeks": 40}),
    ("rebound_2026", None, 5, {"clock.weeks": 52, "credit.mark_to_market_share": 0.5}),
    ("calm", None, 1, {"clock.weeks": 30, "liquidators.release": "held"}),
)


def main() -> None:
    """Print the table."""
    for scenario, arm, seed, settings in RUNS:
        parameters = load(scenario).parameters(arm)
        changed = type(parameters).from_overrides({**parameters.flat(), **settings})
        digest = digest_of(simulate(changed, seed).tables())
        name = scenario if arm is None else f"{scenario}/{arm}"
        said = ", ".join(f"{key}={value}" for key, value in settings.items())
        print(f"{digest[:16]}  {name}, seed {seed}, {said}", flush=True)


if __name__ == "__main__":
    main()
