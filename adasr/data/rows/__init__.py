"""Images too large for memory, row by row: ``open_rows`` reads them, ``open_sink`` writes them."""

from .protocols import RowSink as RowSink
from .protocols import RowSource as RowSource
