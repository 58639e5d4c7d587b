(
  SELECT t.*
  FROM {table} AS t
  LEFT JOIN sync_gaps AS g
    ON g.feed_id = t.feed_id AND g.hour = date_trunc('hour', t.synced_at)
    AND {reported}t.synced_at > g.starts_at AND t.synced_at < g.ends_at
  WHERE g.feed_id IS NULL
)
