"""The transposed convolution as a PyTorch operator: `torch.ops.upweave.conv_transpose` and the way in to it.

Importing this registers the operators, their gradients and their batch rules; an exported program that holds them
needs `import upweave.ops.torch` before it is loaded.
"""

from . import registration as registration
from .front import conv_transpose as conv_transpose
from .front import conv_transpose_into as conv_transpose_into
from .front import long_way as long_way
from .packed import PACKED as PACKED
from .packed import PackedWeights as PackedWeights
from .repeat import CALLS as CALLS
