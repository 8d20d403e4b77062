"""What operators pay for orders with beside the loan: notes, cash and shares, in that order."""
