"""Questions about a layer, as free functions on a spec or a bank; one idea a file."""
