SELECT array_agg(feed_id ORDER BY feed_id) AS feeds, array_agg(gaps ORDER BY feed_id) AS gaps
FROM (
  SELECT feed_id, range_agg(@range@(resumed_from, began_at, '()')) AS gaps
  FROM sync_runs
  WHERE resumed_from < began_at
  GROUP BY feed_id
) AS runs
