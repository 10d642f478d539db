"""One question to the Nexmark auction house, for Tidemill and for PyFlink.

    python nexmark_program.py PACKAGE QUESTION EVENTS [--files FOLDER --format FORMAT]
    python nexmark_program.py tidemill QUESTION EVENTS --queries FOLDER
    python nexmark_program.py tidemill write EVENTS --files FOLDER --format FORMAT
    python nexmark_program.py PACKAGE QUESTION EVENTS --files FOLDER --answer FILE

QUESTION is a name of `QUESTIONS`, or, with ``--queries``, the name of a file ``QUESTION.sql``
there, which is read with the folder's ``ddl_gen.sql`` and ``ddl_views.sql`` before it. Without
``--files`` the events come from the connector ``nexmark``; with it from files that ``write`` has
left in the folder: ``json``, one table with a column for each kind of event, or ``csv``, one table
a kind. With files the same question is first asked of a few events, ``--warm-up`` of a folder, so
that classes are loaded and code is compiled. Prints a JSON object: the number of events, the
seconds from the start of the job to its end, and those of the first job, of few events. With
``--answer`` the rows that are left at the end are written to a file instead, in an order of their
own, so that the answers of two packages can be compared.
"""

from __future__ import annotations

import argparse
import collections
import importlib
import json
import re
import tempfile
import time
from pathlib import Path

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

# The same events as three tables, for formats without nested rows.
TABLES = {
    "people": "id BIGINT, name STRING, city STRING, state STRING",
    "auctions": "id BIGINT, item STRING, first_bid BIGINT, reserve BIGINT, expires TIMESTAMP(3), "
    "seller BIGINT, category BIGINT",
    "bids": "auction BIGINT, bidder BIGINT, price BIGINT, channel STRING, url STRING, extra STRING",
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
    "q10": "SELECT auction, bidder, price, DATE_FORMAT(ts, 'yyyy-MM-dd') AS d, "
    "DATE_FORMAT(ts, 'HH-mm') AS m FROM bids",
    "q11": "SELECT bidder, COUNT(*) AS n, window_start, window_end FROM TABLE(SESSION(TABLE bids "
    "PARTITION BY bidder, DESCRIPTOR(ts), INTERVAL '10' SECOND)) "
    "GROUP BY bidder, window_start, window_end",
    "q12": "SELECT bidder, COUNT(*) AS n, window_start, window_end FROM TABLE(TUMBLE(TABLE "
    "clocked, DESCRIPTOR(clock), INTERVAL '10' SECOND)) GROUP BY bidder, window_start, window_end",
    "q13": "SELECT b.auction, b.bidder, b.price, s.label FROM clocked AS b JOIN sides "
    "FOR SYSTEM_TIME AS OF b.clock AS s ON MOD(b.auction, CAST(1000 AS BIGINT)) = s.id",
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
    "q23": "SELECT b.auction, b.bidder, b.price, a.item, a.seller, p.name, p.city FROM bids AS b "
    "JOIN auctions AS a ON a.id = b.auction JOIN people AS p ON p.id = b.bidder",
    # Patterns: bids that rise three times, a fall and a rise, a burst, a bidder who comes back.
    "c0": "SELECT * FROM bids MATCH_RECOGNIZE (PARTITION BY auction ORDER BY ts MEASURES "
    "A.price AS first_price, C.price AS last_price, C.ts AS at_ts ONE ROW PER MATCH "
    "AFTER MATCH SKIP PAST LAST ROW PATTERN (A B C) DEFINE B AS B.price > A.price, "
    "C AS C.price > B.price)",
    "c1": "SELECT * FROM bids MATCH_RECOGNIZE (PARTITION BY auction ORDER BY ts MEASURES "
    "A.price AS high, LAST(DOWN.price) AS low, COUNT(DOWN.price) AS n, UP.price AS after_low "
    "ONE ROW PER MATCH AFTER MATCH SKIP TO LAST DOWN PATTERN (A DOWN+ UP) DEFINE "
    "DOWN AS DOWN.price < COALESCE(LAST(DOWN.price, 1), A.price), UP AS UP.price > "
    "LAST(DOWN.price))",
    "c2": "SELECT * FROM bids MATCH_RECOGNIZE (PARTITION BY bidder ORDER BY ts MEASURES "
    "FIRST(A.ts) AS first_ts, LAST(A.ts) AS last_ts, SUM(A.price) AS total ONE ROW PER MATCH "
    "AFTER MATCH SKIP TO NEXT ROW PATTERN (A{3}) WITHIN INTERVAL '1' SECOND DEFINE "
    "A AS A.price > 1000)",
    "c3": "SELECT * FROM bids MATCH_RECOGNIZE (PARTITION BY auction ORDER BY ts MEASURES "
    "A.bidder AS bidder, A.price AS price, C.price AS back ONE ROW PER MATCH AFTER MATCH SKIP "
    "TO NEXT ROW PATTERN (A B*? C) WITHIN INTERVAL '5' SECOND DEFINE B AS B.bidder <> A.bidder, "
    "C AS C.bidder = A.bidder)",
}


# Flink's best settings, not its worst.
SETTINGS = {
    "parallelism.default": "2",
    "pipeline.object-reuse": "true",
    "table.exec.mini-batch.enabled": "true",
    "table.exec.mini-batch.allow-latency": "2 s",
    "table.exec.mini-batch.size": "50000",
    "table.optimizer.distinct-agg.split.enabled": "true",
}


def main() -> None:
    """Answer one question."""
    parser = argparse.ArgumentParser()
    parser.add_argument("package", choices=("tidemill", "pyflink"))
    parser.add_argument("question")
    parser.add_argument("events", type=int)
    parser.add_argument("--files", type=Path)
    parser.add_argument("--format", choices=("json", "csv"), default="json")
    parser.add_argument("--warm-up", type=Path)
    parser.add_argument("--queries", type=Path)
    parser.add_argument("--answer", type=Path)
    options = parser.parse_args()
    if options.question == "write":
        write(options)
        return
    if options.answer:
        options.answer.write_text(answer_of(options))
        return
    report = {"events": options.events}
    if options.warm_up:
        report["first_seconds"] = seconds_of(options, options.warm_up)
    report["seconds"] = seconds_of(options, options.files)
    print(json.dumps(report))


def seconds_of(options: argparse.Namespace, files: Path | None) -> float:
    """Ask the question in a session of its own; give the seconds that its jobs took."""
    module = importlib.import_module(f"{options.package}.table")
    environment = module.TableEnvironment.create(module.EnvironmentSettings.in_streaming_mode())
    for key, value in SETTINGS.items():
        environment.get_config().set(key, value)
    statements = (
        files_of(options.queries, options.question, options.events)
        if options.queries
        else ours(options, files)
    )
    seconds = 0.0
    for statement in statements:
        started = time.perf_counter()
        result = environment.execute_sql(statement)
        if is_job(statement):
            result.wait()
            seconds += time.perf_counter() - started
    return seconds


def answer_of(options: argparse.Namespace) -> str:
    """Give the rows that are left when the changes of a question have ended, one a line."""
    module = importlib.import_module(f"{options.package}.table")
    environment = module.TableEnvironment.create(module.EnvironmentSettings.in_streaming_mode())
    environment.get_config().set("parallelism.default", "1")
    *definitions, _ = ours(options, options.files)
    for definition in definitions:
        environment.execute_sql(definition)
    rows: collections.Counter[str] = collections.Counter()
    with environment.execute_sql(QUESTIONS[options.question]).collect() as changes:
        for row in changes:
            is_there = row.get_row_kind().name in ("INSERT", "UPDATE_AFTER")
            rows[json.dumps([*row], default=str)] += 1 if is_there else -1
    return "".join(sorted(f"{line}\n" * n for line, n in rows.items() if n > 0))


def sides(folder: Path) -> str:
    """Write the rows that question 13 looks up; give the statement of their table.

    As the benchmark has it: of Flink's sources of files only the old one looks rows up. A name that
    begins so is hidden from tables of the whole folder.
    """
    path = folder / "_sides.csv"
    path.write_text("".join(f"{side},label {side}\n" for side in range(0, 1000, 2)))
    return (
        "CREATE TEMPORARY TABLE sides (id BIGINT, label STRING) WITH ("
        f"'connector.type' = 'filesystem', 'connector.path' = '{path}', 'format.type' = 'csv')"
    )


def generator(n_events: int) -> str:
    """Give the options of a table of generated events."""
    return (
        f"'connector' = 'nexmark', 'events.num' = '{n_events}', "
        "'first-event.rate' = '1000000', 'next-event.rate' = '1000000'"
    )


def filesystem(folder: Path, file_format: str) -> str:
    """Give the options of a table in files."""
    return f"'connector' = 'filesystem', 'format' = '{file_format}', 'path' = '{folder}'"


def ours(options: argparse.Namespace, files: Path | None) -> list[str]:
    """Give the statements of a question of ours."""
    if files and options.format == "csv":
        statements = [
            f"CREATE TEMPORARY TABLE {name} ({columns}, ts TIMESTAMP(3), WATERMARK FOR ts AS "
            f"ts - INTERVAL '4' SECOND) WITH ({filesystem(files / name, 'csv')})"
            for name, columns in TABLES.items()
        ]
    else:
        source = filesystem(files, "json") if files else generator(options.events)
        statements = [EVENTS.format(options=source)]
        statements += [f"CREATE TEMPORARY VIEW {name} AS {view}" for name, view in VIEWS.items()]
    statements.append("CREATE TEMPORARY VIEW clocked AS SELECT *, PROCTIME() AS clock FROM bids")
    if options.question == "q13":
        statements.append(sides(files or Path(tempfile.mkdtemp())))
    question = QUESTIONS[options.question]
    return [*statements, f"CREATE TABLE answer WITH ('connector' = 'blackhole') AS {question}"]


def write(options: argparse.Namespace) -> None:
    """Write the events as files, with Tidemill."""
    module = importlib.import_module("tidemill.table")
    environment = module.TableEnvironment.create(module.EnvironmentSettings.in_streaming_mode())
    environment.execute_sql(EVENTS.format(options=generator(options.events)))
    if options.format == "json":
        columns = re.sub(r"ts AS .* SECOND\n", "", EVENTS, flags=re.DOTALL)
        columns = columns.rsplit(",", 1)[0] + ") WITH ({options})"
        ddl = columns.replace("TABLE events", "TABLE files")
        environment.execute_sql(ddl.format(options=filesystem(options.files, "json")))
        insert = "INSERT INTO files SELECT event_type, person, auction, bid FROM events"
        environment.execute_sql(insert).wait()
        return
    for name, columns in TABLES.items():
        environment.execute_sql(f"CREATE TEMPORARY VIEW {name} AS {VIEWS[name]}")
        environment.execute_sql(
            f"CREATE TEMPORARY TABLE {name}_files ({columns}, ts TIMESTAMP(3)) "
            f"WITH ({filesystem(options.files / name, 'csv')})"
        )
        environment.execute_sql(f"INSERT INTO {name}_files SELECT * FROM {name}").wait()


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
