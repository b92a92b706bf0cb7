"""What the page says whatever the results are."""

from __future__ import annotations

HEAD = """\
# Evidence

<!-- Written by `python -m bench report` from bench/results. Change those, not this. -->

Do the [remedies](nn/remedies.md) against checkerboards work? Small networks, trained on photographs, which differ in
their upsampler alone, measured before and after training. Levels are those of
[`upweave.artifacts`](artifacts/index.md): the part of the output's variance that repeats with the stride, in dB.
"""

CASES = """\
A saying is judged case by case: by task, and by remedy where it speaks of several. A case is open where seeds differ
too much to say; “certainly” means beyond the 95 % interval. The verdict is that of the cases that are not open, however
few; and of cases without a cause, one in twenty is decided by chance."""

WHY = """\
## Why equal gains are not all

Equal gains clear constants, and whatever passes through linear layers alone: no phase has another mean. Features are no
constants. Phases with different filters pass different amounts of them, a ReLU turns an amount into a mean, and means
that differ between phases are a pattern again, which the next upsampler spreads. It takes two upsamplers with a ReLU
between, so that super-resolution does not have it. An untrained autoencoder with equal gains has a pattern of some
−10 to −25 dB; without the ReLUs between its upsamplers it is at least 10 dB lower (`tests/bench/test_remedies.py`). A
resize before a convolution has filters that differ between phases too: those of a nearest resize read one, two or four
samples.
"""

METHOD = (
    """\
## How it is measured

**Photographs** are those in the wheels of scikit-image and scikit-learn, as luminance between 0 and 1: twelve to train
on, five (astronaut, camera, chelsea, coffee, motorcycle) held out, of which the middle, at most {side} samples a side,
is measured. Training patches are {patches} samples a side by task, from anywhere, turned and mirrored.

**Networks** are fully convolutional; the upsampler under test makes the output, and in the last two the stages before
it too.

| task | network | trained for |
|---|---|---|
"""
    "| super-resolution | 5×5 convolution 1→24, three of 3×3, beside the input; upsampler 25→1. The input is the "
    "photograph's means of 2×2 samples | mean absolute error, {super_resolution} |\n"
    "| autoencoder | three 4×4 convolutions of stride 2 to 48 channels, 16 channels at ÷8; upsamplers 48→32→16→1 "
    "| mean absolute error, {autoencoder} |\n"
    "| generator | DCGAN's decoder on a map of noise, with batch normalisation; upsamplers 48→32→16→1 "
    "| an adversarial loss, its discriminator spectrally normalised, {generator} |\n"
    """
Weights start from He's draw with the number of products that an output sums, so that no remedy starts louder, and
biases from 0. Adam, with a rate that falls along half a cosine. The penalty has the weight 0.1 (generator: 1). Remedies
of one seed see the same patches, and layers that they share start from the same numbers.

**Numbers**

- *Pattern*: the mean over pictures of the score's imbalance, for the stride of all upsamplers together (2 for
  super-resolution, else 8), not below {floor} dB, about where the photographs themselves are; differences from levels
  there are at least as large as they are said to be. The generator makes {samples} samples of 256×256.
- *Found*: in how many of the pictures a pattern is significant at 99 %.
- *Flat*: what a constant input gets far from the border, the root mean square of the pattern in grey levels of 255.
- *Error*: of the difference to the photograph, the pattern of period 2 alone, in grey levels: it shows what is far
  below the photograph's own detail.
- *Gains*: the share of the gains' size that differs between phases, `upweave.gain_imbalance(…).deviation`; *images*:
  `upweave.image_rejection(…).typical` in dB; both are means over the network's upsamplers.
- PSNR and SSIM are by scikit-image.

All are means over seeds, with ± the standard deviation of one. Differences are paired by seed, with ± half the 95 %
interval of Student's t. Those in brackets may be chance; of differences without a cause, one in twenty is not in
brackets. A task with one seed is shown and not judged.
"""
)

LIMITS = """\
## Limits

Small networks, short trainings, a dozen photographs, luminance alone: the levels here are not those of large networks
trained for days. Seeds vary starts and patches; they say nothing of other photographs or architectures. The encoder and
the 2×2 means are centred on the half-pixel grid, as k4 s2 p1 is; k3 s2 p1 o1 is that layer with a row and a column of
zeros. No learning rate or weight of a penalty was tuned for any remedy. The generator learns textures, no objects; how
real its samples look is not measured, only whether the stride shows in them.
"""

AGAIN = """\
## Again

```sh
python -m bench remedies                # goes on from what bench/results/remedies.json has; --force starts anew
python -m bench remedies --remedies k4s2-penalty --force    # this one alone anew
python -m bench remedies --quick        # a look of a minute, kept as remedies-quick
python -m bench remedies --speed        # the times alone
python -m bench report                  # this page
```
"""
