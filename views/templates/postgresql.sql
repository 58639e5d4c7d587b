-- The live views for PostgreSQL 14 or newer. Run this in the schema of the tables (SET search_path),
-- again whenever the tables have got new columns; it makes all views or, failing, changes none.
-- Written by views/render.py.
DO $exchange$
DECLARE
  item_streams CONSTANT text[] := ARRAY[
    {item_streams}
  ];
  target CONSTANT text := current_schema();
  zoned boolean;
  shifted boolean;
  name text;
  stream text;
  needs text;
  columns text;
  read_flags text;
  not_deleted text;
  definition text;
  items text[] := '{}';
  names text[] := '{}';
  definitions text[] := '{}';
  made record;
BEGIN
  FOREACH name IN ARRAY ARRAY['mailboxes', 'folders', 'folder_syncs', 'item_changes', 'sync_runs'] LOOP
    IF to_regclass(format('%I.%I', target, name)) IS NULL THEN
      RAISE EXCEPTION 'There is no table % in schema %.', name, coalesce(target, '(none)')
        USING HINT = 'Load something first, then run this with search_path set to the schema of the tables.';
    END IF;
  END LOOP;

  -- Times stand in the tables with a zone or, in UTC, without. A loader that lets the zone of its
  -- session slip in cannot be helped here: times in JSON columns would not agree with the others.
  zoned := EXISTS (
    SELECT FROM pg_attribute AS a
    WHERE a.attrelid = to_regclass(format('%I.item_changes', target))
      AND a.attname = 'synced_at' AND a.atttypid = 'timestamptz'::regtype
  );
  IF 2 = (
    SELECT count(*) FROM pg_attribute AS a
    WHERE a.attrelid = to_regclass(format('%I.sync_runs', target))
      AND a.attname IN ('_sdc_sequence', '_sdc_received_at')
  ) THEN
    EXECUTE format(
      'SELECT EXISTS (SELECT FROM %I.sync_runs'
      ' WHERE abs(extract(epoch FROM _sdc_received_at) - _sdc_sequence / 1000.0) > 60)', target
    ) INTO shifted;
    IF shifted THEN
      RAISE EXCEPTION 'The loader wrote times in another zone than UTC.'
        USING HINT = 'Let it work in UTC (PGTZ=UTC in its environment, or ALTER ROLE ... SET timezone = ''UTC''),'
          ' drop the tables and load them again, beginning without a state.';
    END IF;
  END IF;

  -- The planner knows nothing of a table that was just filled for the first time.
  FOR name IN
    SELECT c.relname
    FROM pg_class AS c
    WHERE c.relnamespace = quote_ident(target)::regnamespace AND c.relkind IN ('r', 'p')
      AND c.relname = ANY (item_streams || ARRAY[
        'mailboxes', 'folders', 'folder_syncs', 'item_changes', 'sync_runs',
        'attachments', 'calendar_view', 'listed_items', 'corrupt_items'
      ])
      AND NOT EXISTS (SELECT FROM pg_stats AS s WHERE s.schemaname = target AND s.tablename = c.relname)
  LOOP
    EXECUTE format('ANALYZE %I.%I', target, name);
  END LOOP;

  -- Each view: its query, the table without which it is left out, or made with the second query.
  FOR made IN
    SELECT *
    FROM (VALUES
{views}
    ) AS views (place, name, query, needs, otherwise)
    ORDER BY place
  LOOP
    FOREACH stream IN ARRAY CASE WHEN made.name = 'live_@stream@' THEN item_streams ELSE ARRAY[''] END LOOP
      definition := made.query;
      needs := replace(made.needs, '@stream@', stream);
      IF needs IS NOT NULL AND to_regclass(quote_ident(target) || '.' || quote_ident(needs)) IS NULL THEN
        CONTINUE WHEN made.otherwise IS NULL;
        definition := made.otherwise;
      END IF;
      IF stream <> '' THEN
        items := items || stream;
        SELECT
          string_agg(
            CASE a.attname
              WHEN 'is_read' THEN '{newest_flag}'
              ELSE format('m.%I', a.attname)
            END, E',\n  ' ORDER BY a.attnum
          ),
          CASE WHEN bool_or(a.attname = 'is_read') THEN $view${read_flags}$view$ ELSE '' END,
          CASE WHEN bool_or(a.attname = '_sdc_deleted_at') THEN $view${not_deleted}$view$ ELSE '' END
        INTO columns, read_flags, not_deleted
        FROM pg_attribute AS a
        WHERE a.attrelid = to_regclass(format('%I.%I', target, stream)) AND a.attnum > 0 AND NOT a.attisdropped;
        definition := replace(definition, '@columns@', columns);
        definition := replace(definition, '@read_flags@', read_flags);
        definition := replace(definition, '@not_deleted@', not_deleted);
        definition := replace(definition, '@stream@', stream);
      ELSIF made.name = 'live_items' THEN
        SELECT string_agg(replace(definition, '@stream@', s), E'\nUNION ALL\n' ORDER BY n)
        INTO definition
        FROM unnest(items) WITH ORDINALITY AS u (s, n);
      END IF;
      CONTINUE WHEN items = '{}' AND made.name IN ('live_items', 'live_attachments');
      definition := replace(definition, '@range@', CASE WHEN zoned THEN 'tstzrange' ELSE 'tsrange' END);
      definition := replace(definition, '@zone@', CASE WHEN zoned THEN '' ELSE ' AT TIME ZONE ''UTC''' END);
      names := names || replace(made.name, '@stream@', stream);
      definitions := definitions || definition;
    END LOOP;
  END LOOP;

  -- Replaced where they stand, as long as new columns came to the end; else dropped and made anew,
  -- which PostgreSQL refuses, naming them, when views of others stand on these.
  BEGIN
    FOR n IN 1 .. cardinality(names) LOOP
      EXECUTE format('CREATE OR REPLACE VIEW %I.%I AS %s', target, names[n], definitions[n]);
    END LOOP;
  EXCEPTION WHEN invalid_table_definition THEN
    FOR n IN REVERSE cardinality(names) .. 1 LOOP
      EXECUTE format('DROP VIEW IF EXISTS %I.%I', target, names[n]);
    END LOOP;
    FOR n IN 1 .. cardinality(names) LOOP
      EXECUTE format('CREATE VIEW %I.%I AS %s', target, names[n], definitions[n]);
    END LOOP;
  END;
END
$exchange$;
