(
  SELECT c.*
  FROM kept_item_changes AS c
  LEFT JOIN kept_item_changes AS later
    ON later.item_key = c.item_key AND later.change_type <> 'read_flag' AND later.synced_at > c.synced_at
  WHERE c.change_type <> 'read_flag' AND later.item_key IS NULL
)
