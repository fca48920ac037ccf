"""Images too large for memory, row by row: ``open_rows`` reads them, ``open_sink`` writes them."""

from .protocols import RowSink as RowSink
from .protocols import RowSource as RowSource
from .sink import ArraySink as ArraySink
from .sink import open_sink as open_sink
from .source import ArrayRows as ArrayRows
from .source import open_rows as open_rows
