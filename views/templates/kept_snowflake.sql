(
  SELECT t.*
  FROM {table} AS t
  LEFT JOIN (
    SELECT {keys}
    FROM {table} AS w
    ASOF JOIN sync_gaps AS g MATCH_CONDITION (w.synced_at > g.starts_at) ON g.feed_id = w.feed_id
    WHERE {reported}w.synced_at < g.ends_at
  ) AS lost ON {same}
  WHERE lost.{key} IS NULL
)
