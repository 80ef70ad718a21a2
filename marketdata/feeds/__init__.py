"""Where bars come from: one file per provider, none of them knows Django."""
