(
  SELECT c.*
  FROM {of kept_item_changes} AS c
  WHERE c.change_type <> 'read_flag'
  QUALIFY row_number() OVER (PARTITION BY c.item_key ORDER BY c.synced_at DESC) = 1
)
