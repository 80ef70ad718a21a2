"""Words every floor shares: bars, money, orders, decisions, events. No tables, no framework."""
