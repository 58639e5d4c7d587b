The rules of the live views, told once for all dialects. A section is a view; after its name stands
the table without which it is left out, or made with the body of its second half. Words in braces are
a dialect's own: render.py has them. Written so that a planner may reorder all of it: plain joins on
keys, and conditions that it takes to keep nearly every row, as they do.

--- sync_gaps
{gaps}

--- kept_item_changes
SELECT c.*
FROM {kept item_changes item_key change_type} AS c

--- folder_state
SELECT {distinct f.folder_key}
  f.folder_key,
  s.listed_at,
  s.viewed_at,
  {resets}
  CASE
    WHEN f.deleted_at IS NULL AND f.excluded_at IS NULL AND m.left_at IS NULL
      AND (m.hierarchy_reset_at IS NULL OR f.synced_at >= m.hierarchy_reset_at)
    THEN f.folder_key
  END AS live_folder_key
FROM {kept folders folder_key} AS f
LEFT JOIN {of mailboxes} AS m ON m.mailbox = f.mailbox AND m.store = f.store
LEFT JOIN {of folder_syncs} AS s ON s.folder_key = f.folder_key
{latest f.folder_key s.synced_at}

--- live_folders
SELECT f.*
FROM {of folders} AS f
JOIN {of folder_state} AS s ON s.live_folder_key = f.folder_key

--- live_listed_items listed_items
SELECT l.*
FROM {of listed_items} AS l
JOIN {of folder_state} AS f ON f.live_folder_key = l.folder_key AND l.listed_at >= f.listed_at
--- or
SELECT f.folder_key, f.folder_key AS item_key
FROM {of folders} AS f
WHERE f.folder_key IS NULL

--- live_item_changes
SELECT
  {reset_of c.stream} AS reset_at,
  c.*
FROM {last_changes} AS c
LEFT JOIN {of folder_state} AS f ON f.folder_key = c.folder_key
LEFT JOIN (SELECT DISTINCT item_key FROM {of live_listed_items}) AS l ON l.item_key = c.item_key
WHERE coalesce(
  l.item_key,
  CASE WHEN c.origin <> 'listing' AND NOT coalesce(c.synced_at < f.listed_at, FALSE) THEN f.live_folder_key END
) IS NOT NULL
  AND NOT coalesce(c.synced_at < {reset_of c.stream}, FALSE)

--- live_{stream} {stream}
SELECT
  {columns}
FROM {of {stream}} AS m
JOIN {of live_item_changes} AS c
  ON c.item_key = m.item_key AND c.stream = '{stream}' AND c.has_row
{read_flags}
WHERE m.synced_at IS NOT NULL
  AND NOT coalesce(m.synced_at < c.reset_at, FALSE){not_deleted}

--- live_items
{members}

--- live_attachments attachments
SELECT a.*
FROM {of attachments} AS a
JOIN {of live_items} AS i ON i.item_key = a.item_key AND i.synced_at = a.item_synced_at

--- live_calendar_view calendar_view
SELECT v.*
FROM {kept calendar_view item_key} AS v
JOIN {of folder_state} AS f ON f.live_folder_key = v.folder_key AND v.viewed_at >= f.viewed_at

--- live_corrupt_items corrupt_items
SELECT k.*
FROM {kept corrupt_items item_key stage} AS k
JOIN {of folder_state} AS f ON f.live_folder_key = k.folder_key
LEFT JOIN {of kept_item_changes} AS gone
  ON gone.item_key = k.item_key AND gone.folder_key = k.folder_key
  AND gone.change_type IN ('delete', 'out_of_scope') AND gone.synced_at > k.synced_at
WHERE k.resolved_at IS NULL
  AND gone.item_key IS NULL
  AND NOT coalesce(k.synced_at < {reset_of k.stream}, FALSE)

--- live_{personal} {personal}
SELECT p.*
FROM {kept_personal} AS p
LEFT JOIN {of mailboxes} AS m ON m.mailbox = p.mailbox AND m.store = 'primary'
WHERE p.deleted_at IS NULL
  AND m.left_at IS NULL
  AND coalesce(p.feed_id = m.feed_id, TRUE)
