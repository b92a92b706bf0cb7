"""What the labs on applications compute: small decoders, photographs, a head, Poisson's equation, sound.

Pure functions of numbers, without a page: the labs show what they return, and tests compare it with the library. Each
needs NumPy and `upweave` alone, but for photographs (scikit-image's) and for what is trained or audited (PyTorch).
"""
