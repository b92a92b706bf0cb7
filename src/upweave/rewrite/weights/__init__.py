"""The arithmetic of the rewrites: hyper-parameters and weights in, hyper-parameters and weights out, on NumPy alone.

Sums are made in float64 and rounded once, to the dtype that the weights came in.
"""
