-- The live views for BigQuery. Run this with the dataset of the tables as the default one (bq query
-- --dataset_id=...), again whenever the tables have got new columns. The tables are upserted and
-- denormalized ones (target-bigquery: upsert, denormalized). Written by views/render.py.
DECLARE dataset STRING DEFAULT @@dataset_id;
DECLARE present ARRAY<STRING>;
DECLARE statement STRING;
EXECUTE IMMEDIATE FORMAT('SELECT ARRAY_AGG(table_name) FROM `%s`.INFORMATION_SCHEMA.TABLES', dataset) INTO present;

EXECUTE IMMEDIATE REPLACE('''
CREATE OR REPLACE VIEW `<dataset>.sync_gaps` AS
SELECT
  feed_id,
  ARRAY_CONCAT_AGG([TIMESTAMP_ADD(starts_at, INTERVAL 1 MICROSECOND), ends_at] ORDER BY starts_at) AS ends
FROM (
  SELECT feed_id, min(resumed_from) AS starts_at, max(began_at) AS ends_at
  FROM (
    SELECT
      feed_id,
      resumed_from,
      began_at,
      sum(apart) OVER (PARTITION BY feed_id ORDER BY resumed_from, began_at ROWS UNBOUNDED PRECEDING) AS gap
    FROM (
      SELECT
        feed_id,
        resumed_from,
        began_at,
        CASE
          WHEN resumed_from <= max(began_at) OVER (
            PARTITION BY feed_id ORDER BY resumed_from, began_at ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING
          ) THEN 0
          ELSE 1
        END AS apart
      FROM `<dataset>.sync_runs`
      WHERE resumed_from < began_at
    ) AS runs
  ) AS gaps
  GROUP BY feed_id, gap
) AS apart
GROUP BY feed_id
''', '<dataset>', dataset);

EXECUTE IMMEDIATE REPLACE('''
CREATE OR REPLACE VIEW `<dataset>.kept_item_changes` AS
SELECT c.*
FROM (
  SELECT t.*
  FROM `<dataset>.item_changes` AS t
  LEFT JOIN `<dataset>.sync_gaps` AS g ON g.feed_id = t.feed_id
  WHERE NOT coalesce(t.origin = 'feed' AND MOD(RANGE_BUCKET(t.synced_at, g.ends), 2) = 1, FALSE)
) AS c
''', '<dataset>', dataset);

EXECUTE IMMEDIATE REPLACE('''
CREATE OR REPLACE VIEW `<dataset>.folder_state` AS
SELECT
  f.folder_key,
  s.listed_at,
  s.viewed_at,
  CAST(JSON_VALUE(s.resets, '$.messages') AS TIMESTAMP) AS messages_reset_at,
  CAST(JSON_VALUE(s.resets, '$.meeting_messages') AS TIMESTAMP) AS meeting_messages_reset_at,
  CAST(JSON_VALUE(s.resets, '$.calendar_items') AS TIMESTAMP) AS calendar_items_reset_at,
  CAST(JSON_VALUE(s.resets, '$.contacts') AS TIMESTAMP) AS contacts_reset_at,
  CAST(JSON_VALUE(s.resets, '$.distribution_lists') AS TIMESTAMP) AS distribution_lists_reset_at,
  CAST(JSON_VALUE(s.resets, '$.tasks') AS TIMESTAMP) AS tasks_reset_at,
  CAST(JSON_VALUE(s.resets, '$.posts') AS TIMESTAMP) AS posts_reset_at,
  CAST(JSON_VALUE(s.resets, '$.other_items') AS TIMESTAMP) AS other_items_reset_at,
  CAST(JSON_VALUE(s.resets, '$.attachments') AS TIMESTAMP) AS attachments_reset_at,
  CAST(JSON_VALUE(s.resets, '$.calendar_view') AS TIMESTAMP) AS calendar_view_reset_at,
  CASE
    WHEN f.deleted_at IS NULL AND f.excluded_at IS NULL AND m.left_at IS NULL
      AND (m.hierarchy_reset_at IS NULL OR f.synced_at >= m.hierarchy_reset_at)
    THEN f.folder_key
  END AS live_folder_key
FROM (
  SELECT t.*
  FROM `<dataset>.folders` AS t
  LEFT JOIN `<dataset>.sync_gaps` AS g ON g.feed_id = t.feed_id
  WHERE NOT coalesce(t.origin = 'feed' AND MOD(RANGE_BUCKET(t.synced_at, g.ends), 2) = 1, FALSE)
) AS f
LEFT JOIN `<dataset>.mailboxes` AS m ON m.mailbox = f.mailbox AND m.store = f.store
LEFT JOIN `<dataset>.folder_syncs` AS s ON s.folder_key = f.folder_key
WHERE TRUE
QUALIFY row_number() OVER (PARTITION BY f.folder_key ORDER BY s.synced_at DESC) = 1
''', '<dataset>', dataset);

EXECUTE IMMEDIATE REPLACE('''
CREATE OR REPLACE VIEW `<dataset>.live_folders` AS
SELECT f.*
FROM `<dataset>.folders` AS f
JOIN `<dataset>.folder_state` AS s ON s.live_folder_key = f.folder_key
''', '<dataset>', dataset);

IF 'listed_items' IN UNNEST(present) THEN
  EXECUTE IMMEDIATE REPLACE('''
  CREATE OR REPLACE VIEW `<dataset>.live_listed_items` AS
  SELECT l.*
  FROM `<dataset>.listed_items` AS l
  JOIN `<dataset>.folder_state` AS f ON f.live_folder_key = l.folder_key AND l.listed_at >= f.listed_at
  ''', '<dataset>', dataset);
ELSE
  EXECUTE IMMEDIATE REPLACE('''
  CREATE OR REPLACE VIEW `<dataset>.live_listed_items` AS
  SELECT f.folder_key, f.folder_key AS item_key
  FROM `<dataset>.folders` AS f
  WHERE f.folder_key IS NULL
  ''', '<dataset>', dataset);
END IF;

EXECUTE IMMEDIATE REPLACE('''
CREATE OR REPLACE VIEW `<dataset>.live_item_changes` AS
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
  FROM `<dataset>.kept_item_changes` AS c
  LEFT JOIN `<dataset>.kept_item_changes` AS gone
    ON gone.item_key = c.item_key AND gone.folder_key = c.folder_key
    AND gone.change_type IN ('delete', 'out_of_scope') AND gone.synced_at > c.synced_at
  WHERE c.change_type IN ('create', 'update')
  QUALIFY row_number() OVER (PARTITION BY c.item_key ORDER BY c.synced_at DESC) = 1 AND gone.item_key IS NULL
) AS c
LEFT JOIN `<dataset>.folder_state` AS f ON f.folder_key = c.folder_key
LEFT JOIN (SELECT DISTINCT item_key FROM `<dataset>.live_listed_items`) AS l ON l.item_key = c.item_key
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
''', '<dataset>', dataset);

IF 'messages' IN UNNEST(present) THEN
  EXECUTE IMMEDIATE REPLACE('''
  CREATE OR REPLACE VIEW `<dataset>.live_messages` AS
  SELECT
    m.* REPLACE (coalesce(r.is_read, m.is_read) AS is_read)
  FROM `<dataset>.messages` AS m
  JOIN `<dataset>.live_item_changes` AS c
    ON c.item_key = m.item_key AND c.stream = 'messages' AND c.has_row
  LEFT JOIN `<dataset>.kept_item_changes` AS r
    ON r.item_key = m.item_key AND r.change_type = 'read_flag' AND r.synced_at > m.synced_at
  WHERE m.synced_at IS NOT NULL
    AND NOT coalesce(m.synced_at < c.reset_at, FALSE)
  ''', '<dataset>', dataset);
END IF;

IF 'meeting_messages' IN UNNEST(present) THEN
  EXECUTE IMMEDIATE REPLACE('''
  CREATE OR REPLACE VIEW `<dataset>.live_meeting_messages` AS
  SELECT
    m.* REPLACE (coalesce(r.is_read, m.is_read) AS is_read)
  FROM `<dataset>.meeting_messages` AS m
  JOIN `<dataset>.live_item_changes` AS c
    ON c.item_key = m.item_key AND c.stream = 'meeting_messages' AND c.has_row
  LEFT JOIN `<dataset>.kept_item_changes` AS r
    ON r.item_key = m.item_key AND r.change_type = 'read_flag' AND r.synced_at > m.synced_at
  WHERE m.synced_at IS NOT NULL
    AND NOT coalesce(m.synced_at < c.reset_at, FALSE)
  ''', '<dataset>', dataset);
END IF;

IF 'calendar_items' IN UNNEST(present) THEN
  EXECUTE IMMEDIATE REPLACE('''
  CREATE OR REPLACE VIEW `<dataset>.live_calendar_items` AS
  SELECT
    m.*
  FROM `<dataset>.calendar_items` AS m
  JOIN `<dataset>.live_item_changes` AS c
    ON c.item_key = m.item_key AND c.stream = 'calendar_items' AND c.has_row
  WHERE m.synced_at IS NOT NULL
    AND NOT coalesce(m.synced_at < c.reset_at, FALSE)
  ''', '<dataset>', dataset);
END IF;

IF 'contacts' IN UNNEST(present) THEN
  EXECUTE IMMEDIATE REPLACE('''
  CREATE OR REPLACE VIEW `<dataset>.live_contacts` AS
  SELECT
    m.*
  FROM `<dataset>.contacts` AS m
  JOIN `<dataset>.live_item_changes` AS c
    ON c.item_key = m.item_key AND c.stream = 'contacts' AND c.has_row
  WHERE m.synced_at IS NOT NULL
    AND NOT coalesce(m.synced_at < c.reset_at, FALSE)
  ''', '<dataset>', dataset);
END IF;

IF 'distribution_lists' IN UNNEST(present) THEN
  EXECUTE IMMEDIATE REPLACE('''
  CREATE OR REPLACE VIEW `<dataset>.live_distribution_lists` AS
  SELECT
    m.*
  FROM `<dataset>.distribution_lists` AS m
  JOIN `<dataset>.live_item_changes` AS c
    ON c.item_key = m.item_key AND c.stream = 'distribution_lists' AND c.has_row
  WHERE m.synced_at IS NOT NULL
    AND NOT coalesce(m.synced_at < c.reset_at, FALSE)
  ''', '<dataset>', dataset);
END IF;

IF 'tasks' IN UNNEST(present) THEN
  EXECUTE IMMEDIATE REPLACE('''
  CREATE OR REPLACE VIEW `<dataset>.live_tasks` AS
  SELECT
    m.*
  FROM `<dataset>.tasks` AS m
  JOIN `<dataset>.live_item_changes` AS c
    ON c.item_key = m.item_key AND c.stream = 'tasks' AND c.has_row
  WHERE m.synced_at IS NOT NULL
    AND NOT coalesce(m.synced_at < c.reset_at, FALSE)
  ''', '<dataset>', dataset);
END IF;

IF 'posts' IN UNNEST(present) THEN
  EXECUTE IMMEDIATE REPLACE('''
  CREATE OR REPLACE VIEW `<dataset>.live_posts` AS
  SELECT
    m.* REPLACE (coalesce(r.is_read, m.is_read) AS is_read)
  FROM `<dataset>.posts` AS m
  JOIN `<dataset>.live_item_changes` AS c
    ON c.item_key = m.item_key AND c.stream = 'posts' AND c.has_row
  LEFT JOIN `<dataset>.kept_item_changes` AS r
    ON r.item_key = m.item_key AND r.change_type = 'read_flag' AND r.synced_at > m.synced_at
  WHERE m.synced_at IS NOT NULL
    AND NOT coalesce(m.synced_at < c.reset_at, FALSE)
  ''', '<dataset>', dataset);
END IF;

IF 'other_items' IN UNNEST(present) THEN
  EXECUTE IMMEDIATE REPLACE('''
  CREATE OR REPLACE VIEW `<dataset>.live_other_items` AS
  SELECT
    m.*
  FROM `<dataset>.other_items` AS m
  JOIN `<dataset>.live_item_changes` AS c
    ON c.item_key = m.item_key AND c.stream = 'other_items' AND c.has_row
  WHERE m.synced_at IS NOT NULL
    AND NOT coalesce(m.synced_at < c.reset_at, FALSE)
  ''', '<dataset>', dataset);
END IF;

SET statement = (
  SELECT STRING_AGG(REPLACE('SELECT \'@stream@\' AS stream, mailbox, store, folder_key, folder_id, item_key, item_id, change_key, feed_id, synced_at, origin FROM `<dataset>.live_@stream@`', '@stream@', stream), ' UNION ALL ')
  FROM UNNEST(['messages', 'meeting_messages', 'calendar_items', 'contacts', 'distribution_lists', 'tasks', 'posts', 'other_items']) AS stream
  WHERE stream IN UNNEST(present)
);
EXECUTE IMMEDIATE REPLACE(CONCAT('CREATE OR REPLACE VIEW `<dataset>.live_items` AS ', statement), '<dataset>', dataset);

IF 'attachments' IN UNNEST(present) THEN
  EXECUTE IMMEDIATE REPLACE('''
  CREATE OR REPLACE VIEW `<dataset>.live_attachments` AS
  SELECT a.*
  FROM `<dataset>.attachments` AS a
  JOIN `<dataset>.live_items` AS i ON i.item_key = a.item_key AND i.synced_at = a.item_synced_at
  ''', '<dataset>', dataset);
END IF;

IF 'calendar_view' IN UNNEST(present) THEN
  EXECUTE IMMEDIATE REPLACE('''
  CREATE OR REPLACE VIEW `<dataset>.live_calendar_view` AS
  SELECT v.*
  FROM (
    SELECT t.*
    FROM `<dataset>.calendar_view` AS t
    LEFT JOIN `<dataset>.sync_gaps` AS g ON g.feed_id = t.feed_id
    WHERE NOT coalesce(t.origin = 'feed' AND MOD(RANGE_BUCKET(t.synced_at, g.ends), 2) = 1, FALSE)
  ) AS v
  JOIN `<dataset>.folder_state` AS f ON f.live_folder_key = v.folder_key AND v.viewed_at >= f.viewed_at
  ''', '<dataset>', dataset);
END IF;

IF 'corrupt_items' IN UNNEST(present) THEN
  EXECUTE IMMEDIATE REPLACE('''
  CREATE OR REPLACE VIEW `<dataset>.live_corrupt_items` AS
  SELECT k.*
  FROM (
    SELECT t.*
    FROM `<dataset>.corrupt_items` AS t
    LEFT JOIN `<dataset>.sync_gaps` AS g ON g.feed_id = t.feed_id
    WHERE NOT coalesce(MOD(RANGE_BUCKET(t.synced_at, g.ends), 2) = 1, FALSE)
  ) AS k
  JOIN `<dataset>.folder_state` AS f ON f.live_folder_key = k.folder_key
  LEFT JOIN `<dataset>.kept_item_changes` AS gone
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
  ''', '<dataset>', dataset);
END IF;

IF 'inbox_rules' IN UNNEST(present) THEN
  EXECUTE IMMEDIATE REPLACE('''
  CREATE OR REPLACE VIEW `<dataset>.live_inbox_rules` AS
  SELECT p.*
  FROM (
    SELECT t.*
    FROM `<dataset>.inbox_rules` AS t
    LEFT JOIN `<dataset>.sync_gaps` AS g ON g.feed_id = t.feed_id
    WHERE NOT coalesce(MOD(RANGE_BUCKET(t.synced_at, g.ends), 2) = 1, FALSE)
  ) AS p
  LEFT JOIN `<dataset>.mailboxes` AS m ON m.mailbox = p.mailbox AND m.store = 'primary'
  WHERE p.deleted_at IS NULL
    AND m.left_at IS NULL
    AND coalesce(p.feed_id = m.feed_id, TRUE)
  ''', '<dataset>', dataset);
END IF;

IF 'out_of_office' IN UNNEST(present) THEN
  EXECUTE IMMEDIATE REPLACE('''
  CREATE OR REPLACE VIEW `<dataset>.live_out_of_office` AS
  SELECT p.*
  FROM (
    SELECT t.*
    FROM `<dataset>.out_of_office` AS t
    LEFT JOIN `<dataset>.sync_gaps` AS g ON g.feed_id = t.feed_id
    WHERE NOT coalesce(MOD(RANGE_BUCKET(t.synced_at, g.ends), 2) = 1, FALSE)
  ) AS p
  LEFT JOIN `<dataset>.mailboxes` AS m ON m.mailbox = p.mailbox AND m.store = 'primary'
  WHERE p.deleted_at IS NULL
    AND m.left_at IS NULL
    AND coalesce(p.feed_id = m.feed_id, TRUE)
  ''', '<dataset>', dataset);
END IF;

IF 'delegates' IN UNNEST(present) THEN
  EXECUTE IMMEDIATE REPLACE('''
  CREATE OR REPLACE VIEW `<dataset>.live_delegates` AS
  SELECT p.*
  FROM (
    SELECT t.*
    FROM `<dataset>.delegates` AS t
    LEFT JOIN `<dataset>.sync_gaps` AS g ON g.feed_id = t.feed_id
    WHERE NOT coalesce(MOD(RANGE_BUCKET(t.synced_at, g.ends), 2) = 1, FALSE)
  ) AS p
  LEFT JOIN `<dataset>.mailboxes` AS m ON m.mailbox = p.mailbox AND m.store = 'primary'
  WHERE p.deleted_at IS NULL
    AND m.left_at IS NULL
    AND coalesce(p.feed_id = m.feed_id, TRUE)
  ''', '<dataset>', dataset);
END IF;

IF 'rooms' IN UNNEST(present) THEN
  EXECUTE IMMEDIATE REPLACE('''
  CREATE OR REPLACE VIEW `<dataset>.live_rooms` AS
  SELECT p.*
  FROM (
    SELECT t.*
    FROM `<dataset>.rooms` AS t
    LEFT JOIN `<dataset>.sync_gaps` AS g ON g.feed_id = t.feed_id
    WHERE NOT coalesce(MOD(RANGE_BUCKET(t.synced_at, g.ends), 2) = 1, FALSE)
  ) AS p
  LEFT JOIN `<dataset>.mailboxes` AS m ON m.mailbox = p.mailbox AND m.store = 'primary'
  WHERE p.deleted_at IS NULL
    AND m.left_at IS NULL
    AND coalesce(p.feed_id = m.feed_id, TRUE)
  ''', '<dataset>', dataset);
END IF;
