"""Do the remedies work? Small decoders trained on photographs, each with every remedy, and what came of it.

photographs     pictures that come with scikit-image and scikit-learn, some held out
remedy          the registry: how an upsampler is built, how it starts, what it adds to the loss
networks        super-resolution, an autoencoder, a generator; all they differ in is the upsampler
training        the loops
measure         artifacts, gains, images, PSNR and SSIM of a network as it is now
study           a cell for each task, remedy and seed, kept as soon as it is done
speed           the upsamplers alone, in PyTorch and accelerated
paired          differences between remedies, seed by seed, with intervals
claim, claims   what is commonly said, and what the cells say
page            `docs/remedies-evidence.md`, with `prose`, `phrase` and `chart`
command         what `python -m bench remedies` does
"""
