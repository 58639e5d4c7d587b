-- The live views for DuckDB, over the tables that duckdb_jsonl.sql makes of JSON lines files.
-- Written by views/render.py.

CREATE OR REPLACE VIEW sync_gaps AS
SELECT
  feed_id,
  starts_at,
  ends_at,
  unnest(generate_series(date_trunc('hour', starts_at), ends_at, INTERVAL 1 HOUR)) AS hour
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
      FROM sync_runs
      WHERE resumed_from < began_at
    ) AS runs
  ) AS gaps
  GROUP BY feed_id, gap
) AS apart;

CREATE OR REPLACE VIEW kept_item_changes AS
SELECT c.*
FROM (
  SELECT t.*
  FROM item_changes AS t
  LEFT JOIN sync_gaps AS g
    ON g.feed_id = t.feed_id AND g.hour = date_trunc('hour', t.synced_at)
    AND t.origin = 'feed' AND t.synced_at > g.starts_at AND t.synced_at < g.ends_at
  WHERE g.feed_id IS NULL
) AS c;

CREATE OR REPLACE VIEW folder_state AS
SELECT
  f.folder_key,
  s.listed_at,
  s.viewed_at,
  CAST(s.resets ->> 'messages' AS TIMESTAMP) AS messages_reset_at,
  CAST(s.resets ->> 'meeting_messages' AS TIMESTAMP) AS meeting_messages_reset_at,
  CAST(s.resets ->> 'calendar_items' AS TIMESTAMP) AS calendar_items_reset_at,
  CAST(s.resets ->> 'contacts' AS TIMESTAMP) AS contacts_reset_at,
  CAST(s.resets ->> 'distribution_lists' AS TIMESTAMP) AS distribution_lists_reset_at,
  CAST(s.resets ->> 'tasks' AS TIMESTAMP) AS tasks_reset_at,
  CAST(s.resets ->> 'posts' AS TIMESTAMP) AS posts_reset_at,
  CAST(s.resets ->> 'other_items' AS TIMESTAMP) AS other_items_reset_at,
  CAST(s.resets ->> 'attachments' AS TIMESTAMP) AS attachments_reset_at,
  CAST(s.resets ->> 'calendar_view' AS TIMESTAMP) AS calendar_view_reset_at,
  CASE
    WHEN f.deleted_at IS NULL AND f.excluded_at IS NULL AND m.left_at IS NULL
      AND (m.hierarchy_reset_at IS NULL OR f.synced_at >= m.hierarchy_reset_at)
    THEN f.folder_key
  END AS live_folder_key
FROM (
  SELECT t.*
  FROM folders AS t
  LEFT JOIN sync_gaps AS g
    ON g.feed_id = t.feed_id AND g.hour = date_trunc('hour', t.synced_at)
    AND t.origin = 'feed' AND t.synced_at > g.starts_at AND t.synced_at < g.ends_at
  WHERE g.feed_id IS NULL
) AS f
LEFT JOIN mailboxes AS m ON m.mailbox = f.mailbox AND m.store = f.store
LEFT JOIN folder_syncs AS s ON s.folder_key = f.folder_key
QUALIFY row_number() OVER (PARTITION BY f.folder_key ORDER BY s.synced_at DESC NULLS LAST) = 1;

CREATE OR REPLACE VIEW live_folders AS
SELECT f.*
FROM folders AS f
JOIN folder_state AS s ON s.live_folder_key = f.folder_key;

CREATE OR REPLACE VIEW live_listed_items AS
SELECT l.*
FROM listed_items AS l
JOIN folder_state AS f ON f.live_folder_key = l.folder_key AND l.listed_at >= f.listed_at;

CREATE OR REPLACE VIEW live_item_changes AS
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
  LEFT JOIN kept_item_changes AS gone
    ON gone.item_key = c.item_key AND gone.folder_key = c.folder_key
    AND gone.change_type IN ('delete', 'out_of_scope') AND gone.synced_at > c.synced_at
  WHERE c.change_type IN ('create', 'update')
  QUALIFY row_number() OVER (PARTITION BY c.item_key ORDER BY c.synced_at DESC) = 1 AND gone.item_key IS NULL
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
  END, FALSE);

CREATE OR REPLACE VIEW live_messages AS
SELECT
  m.* REPLACE (coalesce(r.is_read, m.is_read) AS is_read)
FROM messages AS m
JOIN live_item_changes AS c
  ON c.item_key = m.item_key AND c.stream = 'messages' AND c.has_row
LEFT JOIN kept_item_changes AS r
  ON r.item_key = m.item_key AND r.change_type = 'read_flag' AND r.synced_at > m.synced_at
WHERE m.synced_at IS NOT NULL
  AND NOT coalesce(m.synced_at < c.reset_at, FALSE)
  AND m._sdc_deleted_at IS NULL;

CREATE OR REPLACE VIEW live_meeting_messages AS
SELECT
  m.* REPLACE (coalesce(r.is_read, m.is_read) AS is_read)
FROM meeting_messages AS m
JOIN live_item_changes AS c
  ON c.item_key = m.item_key AND c.stream = 'meeting_messages' AND c.has_row
LEFT JOIN kept_item_changes AS r
  ON r.item_key = m.item_key AND r.change_type = 'read_flag' AND r.synced_at > m.synced_at
WHERE m.synced_at IS NOT NULL
  AND NOT coalesce(m.synced_at < c.reset_at, FALSE)
  AND m._sdc_deleted_at IS NULL;

CREATE OR REPLACE VIEW live_calendar_items AS
SELECT
  m.*
FROM calendar_items AS m
JOIN live_item_changes AS c
  ON c.item_key = m.item_key AND c.stream = 'calendar_items' AND c.has_row
WHERE m.synced_at IS NOT NULL
  AND NOT coalesce(m.synced_at < c.reset_at, FALSE)
  AND m._sdc_deleted_at IS NULL;

CREATE OR REPLACE VIEW live_contacts AS
SELECT
  m.*
FROM contacts AS m
JOIN live_item_changes AS c
  ON c.item_key = m.item_key AND c.stream = 'contacts' AND c.has_row
WHERE m.synced_at IS NOT NULL
  AND NOT coalesce(m.synced_at < c.reset_at, FALSE)
  AND m._sdc_deleted_at IS NULL;

CREATE OR REPLACE VIEW live_distribution_lists AS
SELECT
  m.*
FROM distribution_lists AS m
JOIN live_item_changes AS c
  ON c.item_key = m.item_key AND c.stream = 'distribution_lists' AND c.has_row
WHERE m.synced_at IS NOT NULL
  AND NOT coalesce(m.synced_at < c.reset_at, FALSE)
  AND m._sdc_deleted_at IS NULL;

CREATE OR REPLACE VIEW live_tasks AS
SELECT
  m.*
FROM tasks AS m
JOIN live_item_changes AS c
  ON c.item_key = m.item_key AND c.stream = 'tasks' AND c.has_row
WHERE m.synced_at IS NOT NULL
  AND NOT coalesce(m.synced_at < c.reset_at, FALSE)
  AND m._sdc_deleted_at IS NULL;

CREATE OR REPLACE VIEW live_posts AS
SELECT
  m.* REPLACE (coalesce(r.is_read, m.is_read) AS is_read)
FROM posts AS m
JOIN live_item_changes AS c
  ON c.item_key = m.item_key AND c.stream = 'posts' AND c.has_row
LEFT JOIN kept_item_changes AS r
  ON r.item_key = m.item_key AND r.change_type = 'read_flag' AND r.synced_at > m.synced_at
WHERE m.synced_at IS NOT NULL
  AND NOT coalesce(m.synced_at < c.reset_at, FALSE)
  AND m._sdc_deleted_at IS NULL;

CREATE OR REPLACE VIEW live_other_items AS
SELECT
  m.*
FROM other_items AS m
JOIN live_item_changes AS c
  ON c.item_key = m.item_key AND c.stream = 'other_items' AND c.has_row
WHERE m.synced_at IS NOT NULL
  AND NOT coalesce(m.synced_at < c.reset_at, FALSE)
  AND m._sdc_deleted_at IS NULL;

CREATE OR REPLACE VIEW live_items AS
SELECT 'messages' AS stream, mailbox, store, folder_key, folder_id, item_key, item_id, change_key, feed_id, synced_at, origin FROM live_messages
UNION ALL
SELECT 'meeting_messages' AS stream, mailbox, store, folder_key, folder_id, item_key, item_id, change_key, feed_id, synced_at, origin FROM live_meeting_messages
UNION ALL
SELECT 'calendar_items' AS stream, mailbox, store, folder_key, folder_id, item_key, item_id, change_key, feed_id, synced_at, origin FROM live_calendar_items
UNION ALL
SELECT 'contacts' AS stream, mailbox, store, folder_key, folder_id, item_key, item_id, change_key, feed_id, synced_at, origin FROM live_contacts
UNION ALL
SELECT 'distribution_lists' AS stream, mailbox, store, folder_key, folder_id, item_key, item_id, change_key, feed_id, synced_at, origin FROM live_distribution_lists
UNION ALL
SELECT 'tasks' AS stream, mailbox, store, folder_key, folder_id, item_key, item_id, change_key, feed_id, synced_at, origin FROM live_tasks
UNION ALL
SELECT 'posts' AS stream, mailbox, store, folder_key, folder_id, item_key, item_id, change_key, feed_id, synced_at, origin FROM live_posts
UNION ALL
SELECT 'other_items' AS stream, mailbox, store, folder_key, folder_id, item_key, item_id, change_key, feed_id, synced_at, origin FROM live_other_items;

CREATE OR REPLACE VIEW live_attachments AS
SELECT a.*
FROM attachments AS a
JOIN live_items AS i ON i.item_key = a.item_key AND i.synced_at = a.item_synced_at;

CREATE OR REPLACE VIEW live_calendar_view AS
SELECT v.*
FROM (
  SELECT t.*
  FROM calendar_view AS t
  LEFT JOIN sync_gaps AS g
    ON g.feed_id = t.feed_id AND g.hour = date_trunc('hour', t.synced_at)
    AND t.origin = 'feed' AND t.synced_at > g.starts_at AND t.synced_at < g.ends_at
  WHERE g.feed_id IS NULL
) AS v
JOIN folder_state AS f ON f.live_folder_key = v.folder_key AND v.viewed_at >= f.viewed_at;

CREATE OR REPLACE VIEW live_corrupt_items AS
SELECT k.*
FROM (
  SELECT t.*
  FROM corrupt_items AS t
  LEFT JOIN sync_gaps AS g
    ON g.feed_id = t.feed_id AND g.hour = date_trunc('hour', t.synced_at)
    AND t.synced_at > g.starts_at AND t.synced_at < g.ends_at
  WHERE g.feed_id IS NULL
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
  END, FALSE);

CREATE OR REPLACE VIEW live_inbox_rules AS
SELECT p.*
FROM (
  SELECT t.*
  FROM inbox_rules AS t
  LEFT JOIN sync_gaps AS g
    ON g.feed_id = t.feed_id AND g.hour = date_trunc('hour', t.synced_at)
    AND t.synced_at > g.starts_at AND t.synced_at < g.ends_at
  WHERE g.feed_id IS NULL
) AS p
LEFT JOIN mailboxes AS m ON m.mailbox = p.mailbox AND m.store = 'primary'
WHERE p.deleted_at IS NULL
  AND m.left_at IS NULL
  AND coalesce(p.feed_id = m.feed_id, TRUE);

CREATE OR REPLACE VIEW live_out_of_office AS
SELECT p.*
FROM (
  SELECT t.*
  FROM out_of_office AS t
  LEFT JOIN sync_gaps AS g
    ON g.feed_id = t.feed_id AND g.hour = date_trunc('hour', t.synced_at)
    AND t.synced_at > g.starts_at AND t.synced_at < g.ends_at
  WHERE g.feed_id IS NULL
) AS p
LEFT JOIN mailboxes AS m ON m.mailbox = p.mailbox AND m.store = 'primary'
WHERE p.deleted_at IS NULL
  AND m.left_at IS NULL
  AND coalesce(p.feed_id = m.feed_id, TRUE);

CREATE OR REPLACE VIEW live_delegates AS
SELECT p.*
FROM (
  SELECT t.*
  FROM delegates AS t
  LEFT JOIN sync_gaps AS g
    ON g.feed_id = t.feed_id AND g.hour = date_trunc('hour', t.synced_at)
    AND t.synced_at > g.starts_at AND t.synced_at < g.ends_at
  WHERE g.feed_id IS NULL
) AS p
LEFT JOIN mailboxes AS m ON m.mailbox = p.mailbox AND m.store = 'primary'
WHERE p.deleted_at IS NULL
  AND m.left_at IS NULL
  AND coalesce(p.feed_id = m.feed_id, TRUE);

CREATE OR REPLACE VIEW live_rooms AS
SELECT p.*
FROM (
  SELECT t.*
  FROM rooms AS t
  LEFT JOIN sync_gaps AS g
    ON g.feed_id = t.feed_id AND g.hour = date_trunc('hour', t.synced_at)
    AND t.synced_at > g.starts_at AND t.synced_at < g.ends_at
  WHERE g.feed_id IS NULL
) AS p
LEFT JOIN mailboxes AS m ON m.mailbox = p.mailbox AND m.store = 'primary'
WHERE p.deleted_at IS NULL
  AND m.left_at IS NULL
  AND coalesce(p.feed_id = m.feed_id, TRUE);
