"""One question to the Nexmark auction house, for Tidemill and for PyFlink.

    python nexmark_program.py PACKAGE QUESTION EVENTS [--files FOLDER] [--queries FOLDER]
    python nexmark_program.py tidemill write EVENTS --files FOLDER

QUESTION is a name of `QUESTIONS`, or, with ``--queries``, the name of a file ``QUESTION.sql``
there, which is read with the folder's ``ddl_gen.sql`` and ``ddl_views.sql`` before it. Without
``--files`` the events come from the connector ``nexmark``; with it from the JSON files that
``write`` has left in the folder. Prints a JSON object: the number of events and the seconds from
the start of the job to its end.
"""

from __future__ import annotations

import argparse
import importlib
import json
import re
import time
from pathlib import Path
from typing import Any

EVENTS = """
CREATE TEMPORARY TABLE events (
    event_type INT,
    person ROW<id BIGINT, name STRING, emailAddress STRING, creditCard STRING, city STRING,
               state STRING, `dateTime` TIMESTAMP(3), extra STRING>,
    auction ROW<id BIGINT, itemName STRING, description STRING, initialBid BIGINT, reserve BIGINT,
                `dateTime` TIMESTAMP(3), expires TIMESTAMP(3), seller BIGINT, category BIGINT,
                extra STRING>,
    bid ROW<auction BIGINT, bidder BIGINT, price BIGINT, channel STRING, url STRING,
            `dateTime` TIMESTAMP(3), extra STRING>,
    ts AS CASE event_type WHEN 0 THEN person.`dateTime` WHEN 1 THEN auction.`dateTime`
               ELSE bid.`dateTime` END,
    WATERMARK FOR ts AS ts - INTERVAL '4' SECOND
) WITH ({options})
"""

VIEWS = {
    "people": "SELECT person.id, person.name, person.city, person.state, ts FROM events "
    "WHERE event_type = 0",
    "auctions": "SELECT auction.id, auction.itemName AS item, auction.initialBid AS first_bid, "
    "auction.reserve, auction.expires, auction.seller, auction.category, ts FROM events "
    "WHERE event_type = 1",
    "bids": "SELECT bid.auction, bid.bidder, bid.price, bid.channel, bid.url, bid.extra, ts "
    "FROM events WHERE event_type = 2",
}

# What the benchmark's queries ask, in our own words; the number is that of the query whose shape
# the question has.
QUESTIONS = {
    "q0": "SELECT auction, bidder, price, ts, extra FROM bids",
    "q1": "SELECT auction, bidder, price * 0.9 AS euros, ts FROM bids",
    "q2": "SELECT auction, price FROM bids WHERE MOD(auction, 123) = 0",
    "q3": "SELECT p.name, p.city, p.state, a.id FROM auctions AS a JOIN people AS p "
    "ON p.id = a.seller WHERE a.category = 10 AND p.state IN ('CA', 'ID', 'OR')",
    "q4": "SELECT category, AVG(price) AS mean FROM (SELECT a.id, a.category, "
    "MAX(b.price) AS price FROM auctions AS a JOIN bids AS b ON b.auction = a.id "
    "WHERE b.ts BETWEEN a.ts AND a.expires GROUP BY a.id, a.category) GROUP BY category",
    "q5": "SELECT window_start, window_end, auction, n FROM (SELECT *, ROW_NUMBER() OVER ("
    "PARTITION BY window_start, window_end ORDER BY n DESC) AS place FROM (SELECT window_start, "
    "window_end, auction, COUNT(*) AS n FROM TABLE(HOP(TABLE bids, DESCRIPTOR(ts), "
    "INTERVAL '2' SECOND, INTERVAL '10' SECOND)) GROUP BY window_start, "
    "window_end, auction)) WHERE place <= 1",
    "q7": "SELECT window_start, window_end, MAX(price) AS price FROM TABLE(TUMBLE(TABLE bids, "
    "DESCRIPTOR(ts), INTERVAL '10' SECOND)) GROUP BY window_start, window_end",
    "q8": "SELECT p.id, p.name, p.window_start FROM (SELECT id, name, window_start, window_end "
    "FROM TABLE(TUMBLE(TABLE people, DESCRIPTOR(ts), INTERVAL '10' SECOND)) GROUP BY id, name, "
    "window_start, window_end) AS p JOIN (SELECT seller, window_start, window_end FROM TABLE("
    "TUMBLE(TABLE auctions, DESCRIPTOR(ts), INTERVAL '10' SECOND)) GROUP BY seller, window_start, "
    "window_end) AS a ON p.id = a.seller AND p.window_start = a.window_start "
    "AND p.window_end = a.window_end",
    "q9": "SELECT id, item, bidder, price FROM (SELECT a.id, a.item, b.bidder, b.price, "
    "ROW_NUMBER() OVER (PARTITION BY a.id ORDER BY b.price DESC, b.ts ASC) AS place "
    "FROM auctions AS a JOIN bids AS b ON b.auction = a.id WHERE b.ts BETWEEN a.ts AND a.expires) "
    "WHERE place = 1",
    "q11": "SELECT bidder, COUNT(*) AS n, window_start, window_end FROM TABLE(SESSION(TABLE bids "
    "PARTITION BY bidder, DESCRIPTOR(ts), INTERVAL '10' SECOND)) "
    "GROUP BY bidder, window_start, window_end",
    "q14": "SELECT auction, bidder, price * 0.9 AS euros, CASE WHEN HOUR(ts) BETWEEN 8 AND 18 "
    "THEN 'day' WHEN HOUR(ts) <= 6 OR HOUR(ts) >= 20 THEN 'night' ELSE 'other' END AS part "
    "FROM bids WHERE price * 0.9 > 1000000 AND price * 0.9 < 50000000",
    "q15": "SELECT DATE_FORMAT(ts, 'yyyy-MM-dd') AS d, COUNT(*) AS n, COUNT(*) FILTER (WHERE "
    "price < 10000) AS low, COUNT(DISTINCT bidder) AS bidders, COUNT(DISTINCT auction) AS auctions "
    "FROM bids GROUP BY DATE_FORMAT(ts, 'yyyy-MM-dd')",
    "q16": "SELECT channel, DATE_FORMAT(ts, 'yyyy-MM-dd') AS d, MAX(DATE_FORMAT(ts, 'HH:mm')) AS "
    "m, COUNT(*) AS n, COUNT(DISTINCT bidder) AS bidders FROM bids "
    "GROUP BY channel, DATE_FORMAT(ts, 'yyyy-MM-dd')",
    "q17": "SELECT auction, DATE_FORMAT(ts, 'yyyy-MM-dd') AS d, COUNT(*) AS n, MIN(price) AS low, "
    "MAX(price) AS high, AVG(price) AS mean, SUM(price) AS total FROM bids "
    "GROUP BY auction, DATE_FORMAT(ts, 'yyyy-MM-dd')",
    "q18": "SELECT auction, bidder, price FROM (SELECT *, ROW_NUMBER() OVER (PARTITION BY bidder, "
    "auction ORDER BY ts DESC) AS place FROM bids) WHERE place = 1",
    "q19": "SELECT auction, bidder, price, place FROM (SELECT *, ROW_NUMBER() OVER (PARTITION BY "
    "auction ORDER BY price DESC) AS place FROM bids) WHERE place <= 10",
    "q20": "SELECT b.auction, b.bidder, b.price, a.item, a.seller FROM bids AS b "
    "JOIN auctions AS a ON a.id = b.auction WHERE a.category = 10",
    "q21": "SELECT auction, bidder, channel, CASE LOWER(channel) WHEN 'apple' THEN '0' WHEN "
    "'google' THEN '1' WHEN 'facebook' THEN '2' WHEN 'baidu' THEN '3' ELSE REGEXP_EXTRACT(url, "
    "'(&|^)channel_id=([^&]*)', 2) END AS channel_id FROM bids",
    "q22": "SELECT auction, bidder, SPLIT_INDEX(url, '/', 3) AS dir1, SPLIT_INDEX(url, '/', 4) AS "
    "dir2, SPLIT_INDEX(url, '/', 5) AS dir3 FROM bids",
}


def main() -> None:
    """Answer one question."""
    parser = argparse.ArgumentParser()
    parser.add_argument("package", choices=("tidemill", "pyflink"))
    parser.add_argument("question")
    parser.add_argument("events", type=int)
    parser.add_argument("--files", type=Path)
    parser.add_argument("--queries", type=Path)
    options = parser.parse_args()
    module = importlib.import_module(f"{options.package}.table")
    environment = module.TableEnvironment.create(module.EnvironmentSettings.in_streaming_mode())
    # Flink's best setting, not its worst.
    for key, value in {
        "parallelism.default": "2",
        "pipeline.object-reuse": "true",
        "table.exec.mini-batch.enabled": "true",
        "table.exec.mini-batch.allow-latency": "2 s",
        "table.exec.mini-batch.size": "50000",
        "table.optimizer.distinct-agg.split.enabled": "true",
    }.items():
        environment.get_config().set(key, value)
    statements = (
        files_of(options.queries, options.question, options.events)
        if options.queries
        else ours(environment, options)
    )
    seconds = 0.0
    for statement in statements:
        started = time.perf_counter()
        result = environment.execute_sql(statement)
        if is_job(statement):
            result.wait()
            seconds += time.perf_counter() - started
    print(json.dumps({"events": options.events, "seconds": seconds}))


def ours(environment: Any, options: argparse.Namespace) -> list[str]:
    """Give the statements of a question of ours; what does not count is executed at once."""
    generator = f"'connector' = 'nexmark', 'events.num' = '{options.events}', "
    generator += "'first-event.rate' = '1000000', 'next-event.rate' = '1000000'"
    files = f"'connector' = 'filesystem', 'format' = 'json', 'path' = '{options.files}'"
    if options.question == "write":
        environment.execute_sql(EVENTS.format(options=generator))
        columns = re.sub(r"ts AS .* SECOND\n", "", EVENTS, flags=re.DOTALL)
        columns = columns.rsplit(",", 1)[0] + ") WITH ({options})"
        ddl = columns.replace("TABLE events", "TABLE files").format(options=files)
        environment.execute_sql(ddl)
        return ["INSERT INTO files SELECT event_type, person, auction, bid FROM events"]
    environment.execute_sql(EVENTS.format(options=files if options.files else generator))
    for name, view in VIEWS.items():
        environment.execute_sql(f"CREATE TEMPORARY VIEW {name} AS {view}")
    question = QUESTIONS[options.question]
    return [f"CREATE TABLE answer WITH ('connector' = 'blackhole') AS {question}"]


def files_of(folder: Path, question: str, n_events: int) -> list[str]:
    """Give the statements of the authors' files, with their variables filled in."""
    variables = {
        "TPS": "1000000",
        "EVENTS_NUM": str(n_events),
        "PERSON_PROPORTION": "1",
        "AUCTION_PROPORTION": "3",
        "BID_PROPORTION": "46",
        "NEXMARK_TABLE": "datagen",
        "NEXMARK_DIR": str(folder),
        "FLINK_HOME": str(folder),
    }
    definitions = [folder / "ddl_gen.sql", folder / "ddl_views.sql"]
    texts = [path.read_text() for path in definitions if path.exists()]
    texts.append((folder / f"{question}.sql").read_text())
    text = "\n".join(texts)
    for name, value in variables.items():
        text = text.replace(f"${{{name}}}", value)
    text = re.sub(r"^\s*--.*$", "", text, flags=re.MULTILINE)
    # Files that were written for Flink 1 have it without backticks; Flink 2 reserves the word.
    text = re.sub(r"(?<!`)\bdateTime\b(?!`)", "`dateTime`", text)
    return [statement for statement in text.split(";") if statement.strip()]


def is_job(statement: str) -> bool:
    """Tell whether a statement starts what is measured."""
    words = statement.split()
    return words[0].upper() == "INSERT" or "WITH ('connector' = 'blackhole') AS" in statement


if __name__ == "__main__":
    main()
