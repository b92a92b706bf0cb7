"""Accelerate models of the field and compare: `python -m field.accelerate FAMILY… [--only NAME] [--seconds S]`.

Every model is built with random weights and real memory, accelerated (with every rewrite that the counts favour, or by
measurement for S seconds), and what the certificate says is printed. 1 if some model's outputs are not the same.
"""

from __future__ import annotations

import argparse
import os
import time
from typing import Any

from .model import Model
from .models import FAMILIES

NAMES = (
    "AutoencoderKL.decoder", "AutoencoderTiny", "VQModel", "SpeechT5HifiGan", "EncodecModel", "DacModel", "SamModel",
    "SegformerForSemanticSegmentation", "UNet", "SegResNet", "AttentionUnet", "Unet", "FPN", "Linknet", "UnetPlusPlus",
)  # fmt: skip
"""What is tried if nothing is named."""

SMALLER = {"SamModel": None, "AutoencoderKL.decoder": (1, 4, 12, 12), "AutoencoderTiny": (1, 3, 96, 96)}
"""Inputs that take less time than those of the audit, which computes nothing; None for the one that must stay."""


def inputs(model: Model) -> Any:
    """Example inputs: random numbers of the entry's shapes."""
    import torch

    def one(shape: Any) -> Any:
        if isinstance(shape[0], str):
            return torch.ones(shape[1], dtype=getattr(torch, shape[0]))
        return torch.randn(shape)

    small = SMALLER.get(model.name)
    if small is not None:
        return one(small)
    return {name: one(s) for name, s in model.kwargs.items()} or tuple(map(one, model.shapes))


def main() -> int:
    """Run the command."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("families", nargs="+", choices=sorted(FAMILIES))
    parser.add_argument("--only", nargs="+", default=NAMES, help="these models")
    parser.add_argument("--seconds", type=float, default=0.0, help="measure this long; 0 counts")
    options = parser.parse_args()
    os.environ["HF_HUB_OFFLINE"] = "1"
    import torch

    import upweave

    failures = 0
    for family in options.families:
        for model in FAMILIES[family]():
            if model.name not in options.only:
                continue
            torch.manual_seed(0)
            started = time.perf_counter()
            try:
                new: Any = upweave.accelerate(
                    model.build().eval(), inputs(model), measure=options.seconds > 0, seconds=options.seconds
                )
            except Exception as error:
                failures += 1
                print(f"FAIL {model.package} {model.name}: {type(error).__name__}: {error}"[:400], flush=True)
                continue
            report = new.report
            failures += not report.certificate.passed
            kinds = [c.rewrite for c in report.choices if c.applies]
            applied = ", ".join(f"{kinds.count(k)} {k}" for k in sorted(set(kinds))) or "nothing"
            waiting = sum(bool(way.behind) for way in report.decisions.layers.values())
            speed = f"{report.speedup:.2f}×" if report.speedup else report.chosen or "as it was"
            took = time.perf_counter() - started
            print(f"{model.package} {model.name}: {speed}; {applied}; {waiting} normalisations folded; "
                  f"{report.certificate}; {took:.0f} s", *report.notes, sep="\n    ", flush=True)  # fmt: skip
    return 1 if failures else 0


if __name__ == "__main__":
    raise SystemExit(main())
