"""The skin: routes and what they render. No SQL and no file access stands here."""
