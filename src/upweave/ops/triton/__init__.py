"""The transposed convolution and its gradients on a GPU, in Triton.

    phases     which taps each phase of the output has, as arithmetic progressions: pure integers
    choose     which kernel runs a problem, with which blocks, and why: a pure function
    cost       what that should take
    available  whether Triton and a GPU for it are here
    kernels/   the kernels, one a file
    run        tensors in, one launch, tensors out
    tune       the blocks, and cuDNN as a rival, measured once and remembered

Nothing here is imported by `import upweave`; `phases`, `choose`, `cost` and `available` need neither
Triton nor PyTorch.
"""
