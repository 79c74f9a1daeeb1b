"""The host's side: driver, simulators of the design, whole networks on it."""
