-- The tables out of the JSON lines files that target-jsonl writes, for duckdb.sql to stand on. Set the
-- folder first, if it is not `output`: SET VARIABLE exchange_folder = '...'; run this again to
-- read anew. Each table holds the latest row of each key; a line cut short by a killed loader is passed
-- over, and a stream without a file has an empty table. Written by views/render.py.
SET VARIABLE exchange_folder = coalesce(getvariable('exchange_folder'), 'output');
{tables}
