"""Where a client is: the province of an IP address, as a function for queries.

The database is ip2region's, which the package ``XdbSearchIP`` carries. It is read into memory once;
searching it is pure Python, so what was found is remembered.

Examples
--------
>>> province_of("27.184.139.25"), province_of("202.96.128.86"), province_of("8.8.8.8")
('河北省', '广东省', '国外')
"""

from __future__ import annotations

import functools
import socket

from XdbSearchIP.xdbSearcher import XdbSearcher, dbPath

from tidemill.table import DataTypes
from tidemill.table.udf import udf

UNKNOWN = "未知"
FOREIGN = "国外"
MAX_REMEMBERED = 1 << 17


@functools.cache
def _searcher() -> XdbSearcher:
    return XdbSearcher(contentBuff=XdbSearcher.loadContentFromFile(dbfile=dbPath))


@functools.lru_cache(maxsize=MAX_REMEMBERED)
def province_of(ip: str | None) -> str:
    """Give the Chinese province of an IPv4 address, ``国外`` abroad, ``未知`` if there is none.

    Parameters
    ----------
    ip : str or None
        Four numbers with points between them; anything else is unknown.
    """
    if ip is None:
        return UNKNOWN
    try:
        address = int.from_bytes(socket.inet_pton(socket.AF_INET, ip), "big")
    except (OSError, ValueError):
        return UNKNOWN
    # Country, region, province, city and provider; "0" where the database does not know.
    region: str = _searcher().searchByIPLong(address)
    country, _, province, *_ = [*region.split("|"), "0", "0", "0"]
    if country != "中国":
        return UNKNOWN if country in {"0", ""} else FOREIGN
    return UNKNOWN if province == "0" else province


@udf(result_type=DataTypes.STRING())
def ip_to_province(ip: str | None) -> str:
    """Give the province of a client, for queries."""
    return province_of(ip)
