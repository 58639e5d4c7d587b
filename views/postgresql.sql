-- The live views for PostgreSQL 14 or newer. Run this in the schema of the tables (SET search_path),
-- again whenever the tables have got new columns; it makes all views or, failing, changes none.
-- Written by views/render.py.
DO $exchange$
DECLARE
  item_streams CONSTANT text[] := ARRAY[
    'messages', 'meeting_messages', 'calendar_items', 'contacts', 'distribution_lists', 'tasks', 'posts', 'other_items'
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
      (1, 'sync_gaps', $view$
SELECT array_agg(feed_id ORDER BY feed_id) AS feeds, array_agg(gaps ORDER BY feed_id) AS gaps
FROM (
  SELECT feed_id, range_agg(@range@(resumed_from, began_at, '()')) AS gaps
  FROM sync_runs
  WHERE resumed_from < began_at
  GROUP BY feed_id
) AS runs
$view$, NULL, NULL),
      (2, 'kept_item_changes', $view$
SELECT c.*
FROM (
  SELECT t.*
  FROM item_changes AS t
  WHERE (
    t.origin = 'feed'
    AND t.synced_at <@ (SELECT gaps FROM sync_gaps)[array_position((SELECT feeds FROM sync_gaps), t.feed_id)]
  ) IS NOT TRUE
) AS c
$view$, NULL, NULL),
      (3, 'folder_state', $view$
SELECT DISTINCT ON (f.folder_key)
  f.folder_key,
  s.listed_at,
  s.viewed_at,
  (s.resets::jsonb ->> 'messages')::timestamptz@zone@ AS messages_reset_at,
  (s.resets::jsonb ->> 'meeting_messages')::timestamptz@zone@ AS meeting_messages_reset_at,
  (s.resets::jsonb ->> 'calendar_items')::timestamptz@zone@ AS calendar_items_reset_at,
  (s.resets::jsonb ->> 'contacts')::timestamptz@zone@ AS contacts_reset_at,
  (s.resets::jsonb ->> 'distribution_lists')::timestamptz@zone@ AS distribution_lists_reset_at,
  (s.resets::jsonb ->> 'tasks')::timestamptz@zone@ AS tasks_reset_at,
  (s.resets::jsonb ->> 'posts')::timestamptz@zone@ AS posts_reset_at,
  (s.resets::jsonb ->> 'other_items')::timestamptz@zone@ AS other_items_reset_at,
  (s.resets::jsonb ->> 'attachments')::timestamptz@zone@ AS attachments_reset_at,
  (s.resets::jsonb ->> 'calendar_view')::timestamptz@zone@ AS calendar_view_reset_at,
  CASE
    WHEN f.deleted_at IS NULL AND f.excluded_at IS NULL AND m.left_at IS NULL
      AND (m.hierarchy_reset_at IS NULL OR f.synced_at >= m.hierarchy_reset_at)
    THEN f.folder_key
  END AS live_folder_key
FROM (
  SELECT t.*
  FROM folders AS t
  WHERE (
    t.origin = 'feed'
    AND t.synced_at <@ (SELECT gaps FROM sync_gaps)[array_position((SELECT feeds FROM sync_gaps), t.feed_id)]
  ) IS NOT TRUE
) AS f
LEFT JOIN mailboxes AS m ON m.mailbox = f.mailbox AND m.store = f.store
LEFT JOIN folder_syncs AS s ON s.folder_key = f.folder_key
ORDER BY f.folder_key, s.synced_at DESC NULLS LAST
$view$, NULL, NULL),
      (4, 'live_folders', $view$
SELECT f.*
FROM folders AS f
JOIN folder_state AS s ON s.live_folder_key = f.folder_key
$view$, NULL, NULL),
      (5, 'live_listed_items', $view$
SELECT l.*
FROM listed_items AS l
JOIN folder_state AS f ON f.live_folder_key = l.folder_key AND l.listed_at >= f.listed_at
$view$, 'listed_items', $view$
SELECT f.folder_key, f.folder_key AS item_key
FROM folders AS f
WHERE f.folder_key IS NULL
$view$),
      (6, 'live_item_changes', $view$
SELECT
  CASE c.stream
    WHEN 'messages' THEN f.messages_reset_at
    WHEN 'meeting_messages' THEN f.meeting_messages_reset_at
    WHEN 'calendar_items' THEN f.calendar_items_reset_at
    WHEN 'contacts' THEN f.contacts_reset_at
    WHEN 'distribution_lists' THEN f.distribution_lists_reset_at
    WHEN 'tasks' THEN f.tasks_reset_at
    WHEN 'posts' THEN f.posts_reset_at
    WHEN 'other_items' THEN f.other_items_reset_at
    WHEN 'attachments' THEN f.attachments_reset_at
    WHEN 'calendar_view' THEN f.calendar_view_reset_at
  END AS reset_at,
  c.*
FROM (
  SELECT c.*
  FROM kept_item_changes AS c
  LEFT JOIN kept_item_changes AS later
    ON later.item_key = c.item_key AND later.change_type <> 'read_flag' AND later.synced_at > c.synced_at
    AND (later.change_type IN ('create', 'update') OR later.folder_key = c.folder_key)
  WHERE c.change_type IN ('create', 'update') AND later.item_key IS NULL
) AS c
LEFT JOIN folder_state AS f ON f.folder_key = c.folder_key
LEFT JOIN (SELECT DISTINCT item_key FROM live_listed_items) AS l ON l.item_key = c.item_key
WHERE coalesce(
  l.item_key,
  CASE WHEN c.origin <> 'listing' AND NOT coalesce(c.synced_at < f.listed_at, FALSE) THEN f.live_folder_key END
) IS NOT NULL
  AND NOT coalesce(c.synced_at < CASE c.stream
    WHEN 'messages' THEN f.messages_reset_at
    WHEN 'meeting_messages' THEN f.meeting_messages_reset_at
    WHEN 'calendar_items' THEN f.calendar_items_reset_at
    WHEN 'contacts' THEN f.contacts_reset_at
    WHEN 'distribution_lists' THEN f.distribution_lists_reset_at
    WHEN 'tasks' THEN f.tasks_reset_at
    WHEN 'posts' THEN f.posts_reset_at
    WHEN 'other_items' THEN f.other_items_reset_at
    WHEN 'attachments' THEN f.attachments_reset_at
    WHEN 'calendar_view' THEN f.calendar_view_reset_at
  END, FALSE)
$view$, NULL, NULL),
      (7, 'live_@stream@', $view$
SELECT
  @columns@
FROM @stream@ AS m
JOIN live_item_changes AS c
  ON c.item_key = m.item_key AND c.stream = '@stream@' AND c.has_row
@read_flags@
WHERE m.synced_at IS NOT NULL
  AND NOT coalesce(m.synced_at < c.reset_at, FALSE)@not_deleted@
$view$, '@stream@', NULL),
      (8, 'live_items', $view$
SELECT '@stream@' AS stream, mailbox, store, folder_key, folder_id, item_key, item_id, change_key, feed_id, synced_at, origin FROM live_@stream@
$view$, NULL, NULL),
      (9, 'live_attachments', $view$
SELECT a.*
FROM attachments AS a
JOIN live_items AS i ON i.item_key = a.item_key AND i.synced_at = a.item_synced_at
$view$, 'attachments', NULL),
      (10, 'live_calendar_view', $view$
SELECT v.*
FROM (
  SELECT t.*
  FROM calendar_view AS t
  WHERE (
    t.origin = 'feed'
    AND t.synced_at <@ (SELECT gaps FROM sync_gaps)[array_position((SELECT feeds FROM sync_gaps), t.feed_id)]
  ) IS NOT TRUE
) AS v
JOIN folder_state AS f ON f.live_folder_key = v.folder_key AND v.viewed_at >= f.viewed_at
$view$, 'calendar_view', NULL),
      (11, 'live_corrupt_items', $view$
SELECT k.*
FROM (
  SELECT t.*
  FROM corrupt_items AS t
  WHERE (
    t.synced_at <@ (SELECT gaps FROM sync_gaps)[array_position((SELECT feeds FROM sync_gaps), t.feed_id)]
  ) IS NOT TRUE
) AS k
JOIN folder_state AS f ON f.live_folder_key = k.folder_key
LEFT JOIN kept_item_changes AS gone
  ON gone.item_key = k.item_key AND gone.folder_key = k.folder_key
  AND gone.change_type IN ('delete', 'out_of_scope') AND gone.synced_at > k.synced_at
WHERE k.resolved_at IS NULL
  AND gone.item_key IS NULL
  AND NOT coalesce(k.synced_at < CASE k.stream
    WHEN 'messages' THEN f.messages_reset_at
    WHEN 'meeting_messages' THEN f.meeting_messages_reset_at
    WHEN 'calendar_items' THEN f.calendar_items_reset_at
    WHEN 'contacts' THEN f.contacts_reset_at
    WHEN 'distribution_lists' THEN f.distribution_lists_reset_at
    WHEN 'tasks' THEN f.tasks_reset_at
    WHEN 'posts' THEN f.posts_reset_at
    WHEN 'other_items' THEN f.other_items_reset_at
    WHEN 'attachments' THEN f.attachments_reset_at
    WHEN 'calendar_view' THEN f.calendar_view_reset_at
  END, FALSE)
$view$, 'corrupt_items', NULL),
      (12, 'live_inbox_rules', $view$
SELECT p.*
FROM (
  SELECT t.*
  FROM inbox_rules AS t
  WHERE (
    t.synced_at <@ (SELECT gaps FROM sync_gaps)[array_position((SELECT feeds FROM sync_gaps), t.feed_id)]
  ) IS NOT TRUE
) AS p
LEFT JOIN mailboxes AS m ON m.mailbox = p.mailbox AND m.store = 'primary'
WHERE p.deleted_at IS NULL
  AND m.left_at IS NULL
  AND coalesce(p.feed_id = m.feed_id, TRUE)
$view$, 'inbox_rules', NULL),
      (13, 'live_out_of_office', $view$
SELECT p.*
FROM (
  SELECT t.*
  FROM out_of_office AS t
  WHERE (
    t.synced_at <@ (SELECT gaps FROM sync_gaps)[array_position((SELECT feeds FROM sync_gaps), t.feed_id)]
  ) IS NOT TRUE
) AS p
LEFT JOIN mailboxes AS m ON m.mailbox = p.mailbox AND m.store = 'primary'
WHERE p.deleted_at IS NULL
  AND m.left_at IS NULL
  AND coalesce(p.feed_id = m.feed_id, TRUE)
$view$, 'out_of_office', NULL),
      (14, 'live_delegates', $view$
SELECT p.*
FROM (
  SELECT t.*
  FROM delegates AS t
  WHERE (
    t.synced_at <@ (SELECT gaps FROM sync_gaps)[array_position((SELECT feeds FROM sync_gaps), t.feed_id)]
  ) IS NOT TRUE
) AS p
LEFT JOIN mailboxes AS m ON m.mailbox = p.mailbox AND m.store = 'primary'
WHERE p.deleted_at IS NULL
  AND m.left_at IS NULL
  AND coalesce(p.feed_id = m.feed_id, TRUE)
$view$, 'delegates', NULL),
      (15, 'live_rooms', $view$
SELECT p.*
FROM (
  SELECT t.*
  FROM rooms AS t
  WHERE (
    t.synced_at <@ (SELECT gaps FROM sync_gaps)[array_position((SELECT feeds FROM sync_gaps), t.feed_id)]
  ) IS NOT TRUE
) AS p
LEFT JOIN mailboxes AS m ON m.mailbox = p.mailbox AND m.store = 'primary'
WHERE p.deleted_at IS NULL
  AND m.left_at IS NULL
  AND coalesce(p.feed_id = m.feed_id, TRUE)
$view$, 'rooms', NULL)
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
              WHEN 'is_read' THEN 'coalesce(r.is_read, m.is_read) AS is_read'
              ELSE format('m.%I', a.attname)
            END, E',\n  ' ORDER BY a.attnum
          ),
          CASE WHEN bool_or(a.attname = 'is_read') THEN $view$LEFT JOIN kept_item_changes AS r
  ON r.item_key = m.item_key AND r.change_type = 'read_flag' AND r.synced_at > m.synced_at$view$ ELSE '' END,
          CASE WHEN bool_or(a.attname = '_sdc_deleted_at') THEN $view$
  AND m._sdc_deleted_at IS NULL$view$ ELSE '' END
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
