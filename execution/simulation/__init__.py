"""How a simulated venue fills: pure."""
