(
  SELECT c.*
  FROM {of kept_item_changes} AS c
  LEFT JOIN {of kept_item_changes} AS gone
    ON gone.item_key = c.item_key AND gone.folder_key = c.folder_key
    AND gone.change_type IN ('delete', 'out_of_scope') AND gone.synced_at > c.synced_at
  WHERE c.change_type IN ('create', 'update')
  QUALIFY row_number() OVER (PARTITION BY c.item_key ORDER BY c.synced_at DESC) = 1 AND gone.item_key IS NULL
)
