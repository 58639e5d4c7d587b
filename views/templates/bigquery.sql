-- The live views for BigQuery. Run this with the dataset of the tables as the default one (bq query
-- --dataset_id=...), again whenever the tables have got new columns. The tables are upserted and
-- denormalized ones (target-bigquery: upsert, denormalized). Written by views/render.py.
DECLARE dataset STRING DEFAULT @@dataset_id;
DECLARE present ARRAY<STRING>;
DECLARE statement STRING;
EXECUTE IMMEDIATE FORMAT('SELECT ARRAY_AGG(table_name) FROM `%s`.INFORMATION_SCHEMA.TABLES', dataset) INTO present;
{views}
