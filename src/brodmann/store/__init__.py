"""What is computed, kept: the store, the ledger, tables and tensors."""
