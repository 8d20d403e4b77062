"""What runs: fleets that earn and pay, the leases they stand in, and the tenants they serve."""
