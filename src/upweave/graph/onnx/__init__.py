"""ONNX models as graphs: `from_onnx` reads a file, `runtime_disagreements` says where runtimes read it differently.

reader     the file: one line of error for anything that is no sound model
tensors    initialisers as `Weight`s, decoded on demand, external data kept inside the model's folder
inputs     concrete input shapes
order      nodes in topological order: no cycles, no undefined values
state      what is known of every value while the nodes are translated one by one
fold       arithmetic on constants (shape subgraphs now, weights when they are loaded)
ops_*      one function an operator, registered by its ONNX name
tidy       patterns of several nodes that mean one
implicit   what auto_pad and output_shape leave to the runtime
"""

from .front import from_onnx as from_onnx
from .implicit import Disagreement as Disagreement
from .implicit import runtime_disagreements as runtime_disagreements
