(
  SELECT t.*
  FROM {table} AS t
  WHERE (
    {reported}t.synced_at <@ (SELECT gaps FROM sync_gaps)[array_position((SELECT feeds FROM sync_gaps), t.feed_id)]
  ) IS NOT TRUE
)
