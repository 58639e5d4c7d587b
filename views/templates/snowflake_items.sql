definition := (
  SELECT LISTAGG(REPLACE('{member}', '@stream@', LOWER(table_name)), ' UNION ALL ')
  FROM information_schema.tables
  WHERE table_schema = CURRENT_SCHEMA() AND table_name IN ({tables})
);
definition := 'CREATE OR REPLACE VIEW live_items AS ' || definition;
EXECUTE IMMEDIATE definition;
