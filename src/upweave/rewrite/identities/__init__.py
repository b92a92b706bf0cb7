"""The identities, one a file."""
