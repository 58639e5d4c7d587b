(
  SELECT t.*
  FROM `<dataset>.{table}` AS t
  LEFT JOIN `<dataset>.sync_gaps` AS g ON g.feed_id = t.feed_id
  WHERE NOT coalesce({reported}MOD(RANGE_BUCKET(t.synced_at, g.ends), 2) = 1, FALSE)
)
