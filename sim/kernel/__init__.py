"""The exact clearing as a library of its own: `Book`, `Network`, `clear`, and the proof that a clearing is optimal."""
