"""What lenders do: offer, monitor, call, work out, take possession."""
