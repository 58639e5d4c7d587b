(
  SELECT c.*
  FROM kept_item_changes AS c
  LEFT JOIN kept_item_changes AS later
    ON later.item_key = c.item_key AND later.change_type <> 'read_flag' AND later.synced_at > c.synced_at
    AND (later.change_type IN ('create', 'update') OR later.folder_key = c.folder_key)
  WHERE c.change_type IN ('create', 'update') AND later.item_key IS NULL
)
