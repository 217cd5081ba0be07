"""The ledger: every webhook that was taken, as it came, with what became of each of its items."""
