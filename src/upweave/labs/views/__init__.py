"""Views of one layer, as pure functions: numbers from the library in, panels out. The explorer is made of them."""
