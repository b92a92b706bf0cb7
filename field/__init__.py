"""The field: models nobody here wrote, built offline with random weights, and audited."""
