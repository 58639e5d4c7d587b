SELECT
  'CREATE OR REPLACE VIEW live_items AS '
  || LISTAGG(REPLACE('{member}', '@stream@', LOWER(table_name)), ' UNION ALL ')
INTO :definition
FROM information_schema.tables
WHERE table_schema = CURRENT_SCHEMA() AND table_name IN ({tables});
EXECUTE IMMEDIATE :definition;
