"""What is true this week: the ledger, who stands where with its lenders, tenants, and the world that holds them."""
