"""What labs are made of: words in two languages, controls, linked drawings, exercises, code, links to the theory."""

from ..text import Text, same
from .code import code
from .controls import Choice, File, Numbers, Preset, Slider, Switch, controls, stretch
from .drawing import axes, curve, row, short, table
from .exercise import Verdict, exercise, practice, right, wrong
from .figure import Panel, figure
from .findings import findings
from .fit import enlarged, fitted
from .layer import ALIGNMENTS, layer_sliders, refusal, transposed
from .links import number, show
from .media import Picture, pictures, png, sound, wav
from .page import closing, opening
from .paths import PathTable, paths
from .picture import picture, scene, shrunk
from .words import both, facts, formula

__all__ = [
    "ALIGNMENTS",
    "Choice",
    "File",
    "Numbers",
    "Panel",
    "PathTable",
    "Picture",
    "Preset",
    "Slider",
    "Switch",
    "Text",
    "Verdict",
    "axes",
    "both",
    "closing",
    "code",
    "controls",
    "curve",
    "enlarged",
    "exercise",
    "facts",
    "figure",
    "findings",
    "fitted",
    "formula",
    "layer_sliders",
    "number",
    "opening",
    "paths",
    "picture",
    "pictures",
    "png",
    "practice",
    "refusal",
    "right",
    "row",
    "same",
    "scene",
    "short",
    "show",
    "shrunk",
    "sound",
    "stretch",
    "table",
    "transposed",
    "wav",
    "wrong",
]
