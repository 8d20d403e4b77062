"""Why the price is below value: three prices, their parts, and what collateral would fetch."""
