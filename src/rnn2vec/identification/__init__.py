"""Which known network is behind a black box? Few questions, each chosen by the answers so far, and how sure that is."""
