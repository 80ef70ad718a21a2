"""Real PostgreSQL and Redis below the data folder, for desks that name no server of their own."""
