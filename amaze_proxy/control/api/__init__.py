"""HTTP over the domain: routes with their roles, schemas, one table of errors."""
