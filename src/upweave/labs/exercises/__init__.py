"""The exercises of the labs, one module a lab, one function an exercise; each makes the element that a cell shows."""
