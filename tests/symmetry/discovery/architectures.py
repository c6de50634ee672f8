"""All architectures, family by family."""

from architectures_attention import ATTENTION
from architectures_conv import CONV
from architectures_dense import DENSE
from architectures_intricate import INTRICATE
from architectures_order import ORDER
from architectures_recurrent import RECURRENT
from architectures_routing import ROUTING
from architectures_spectral import SPECTRAL

ARCHITECTURES = [
    *DENSE, *ORDER, *CONV, *ATTENTION, *RECURRENT, *SPECTRAL, *INTRICATE, *ROUTING,
]  # fmt: skip
