"""Examples → scores: scorers, judges, statistics and the engine that runs them."""
