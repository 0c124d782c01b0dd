"""Joules of each rail in each image of a recording: `streaming.py LIBRARY BUNDLE`, on one core.

Prints the seconds it took, the most resident memory in MB, and all joules together. A reading
stands for the time since the rail's last, and is the image's in which it was taken.
"""

import os
import resource
import sys
import time

library, bundle = sys.argv[1:]
power, spans = f"{bundle}/power.csv", f"{bundle}/spans.csv"
os.environ["POLARS_MAX_THREADS"] = "1"


def with_pandas():
    import pandas

    columns = ["t_ns", "rail", "watts"]
    readings = pandas.read_csv(power, usecols=columns, dtype={"rail": "category"})
    images = pandas.read_csv(spans, usecols=["kind", "image", "start_ns", "end_ns"])
    images = images[images.kind == "image"].sort_values("start_ns")
    readings["seconds"] = readings.groupby("rail", observed=True).t_ns.diff() * 1e-9
    found = pandas.merge_asof(readings, images, left_on="t_ns", right_on="start_ns")
    found = found[found.t_ns <= found.end_ns]
    joules = (found.watts * found.seconds).groupby([found.rail, found.image], observed=True).sum()
    return joules.sum()


def with_polars():
    import polars

    images = polars.scan_csv(spans).filter(polars.col("kind") == "image")
    images = images.select("image", "start_ns", "end_ns").sort("start_ns")
    readings = polars.scan_csv(power).select("t_ns", "rail", "watts")
    seconds = polars.col("t_ns").diff().over("rail") * 1e-9
    joules = (
        readings.with_columns(seconds=seconds)
        .join_asof(images, left_on="t_ns", right_on="start_ns")
        .filter(polars.col("t_ns") <= polars.col("end_ns"))
        .group_by("rail", "image")
        .agg(joules=(polars.col("watts") * polars.col("seconds")).sum())
        .collect()
    )
    return joules["joules"].sum()


def with_duckdb():
    import duckdb

    duckdb.sql("SET threads = 1")
    duckdb.sql(f"CREATE TABLE image AS SELECT * FROM '{spans}' WHERE kind = 'image'")
    return duckdb.sql(f"""
        WITH reading AS (
            SELECT t_ns, rail, watts,
                   watts * 1e-9 * (t_ns - lag(t_ns) OVER (PARTITION BY rail ORDER BY t_ns)) AS joules
            FROM '{power}'),
        each AS (
            SELECT rail, image, sum(joules) AS joules
            FROM reading ASOF JOIN image ON reading.t_ns >= image.start_ns
            WHERE reading.t_ns <= image.end_ns GROUP BY rail, image)
        SELECT sum(joules) FROM each
    """).fetchall()[0][0]


run = {"pandas": with_pandas, "polars": with_polars, "duckdb": with_duckdb}[library]
start = time.perf_counter()
joules = run()
seconds = time.perf_counter() - start
print(seconds, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024, joules)
