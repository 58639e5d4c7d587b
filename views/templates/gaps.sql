SELECT feed_id, min(resumed_from) AS starts_at, max(began_at) AS ends_at
FROM (
  SELECT
    feed_id,
    resumed_from,
    began_at,
    sum(apart) OVER (PARTITION BY feed_id ORDER BY resumed_from, began_at ROWS UNBOUNDED PRECEDING) AS gap
  FROM (
    SELECT
      feed_id,
      resumed_from,
      began_at,
      CASE
        WHEN resumed_from <= max(began_at) OVER (
          PARTITION BY feed_id ORDER BY resumed_from, began_at ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING
        ) THEN 0
        ELSE 1
      END AS apart
    FROM {of sync_runs}
    WHERE resumed_from < began_at
  ) AS runs
) AS gaps
GROUP BY feed_id, gap
