-- The live views for Snowflake. Run this in the schema of the tables (USE SCHEMA), again whenever the
-- tables have got new columns. The tables are upserted ones with times in UTC without a zone
-- (target-snowflake: load_method upsert, timestamp_type TIMESTAMP_NTZ). Written by views/render.py.
EXECUTE IMMEDIATE $$
DECLARE
  definition STRING;
BEGIN
{views}
END;
$$;
