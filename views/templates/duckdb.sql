-- The live views for DuckDB, over the tables that duckdb_jsonl.sql makes of JSON lines files.
-- Written by views/render.py.
{views}
