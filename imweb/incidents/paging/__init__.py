"""Pages of a frozen result set, exact at any depth (DESIGN: Paging, exactly)."""

from imweb.incidents.paging.cursor import Cursor, decode, encode
from imweb.incidents.paging.orders import Order, Slice, order_for
from imweb.incidents.paging.reader import Reader

__all__ = ["Cursor", "Order", "Reader", "Slice", "decode", "encode", "order_for"]
