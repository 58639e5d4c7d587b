SELECT
  feed_id,
  ARRAY_CONCAT_AGG([TIMESTAMP_ADD(starts_at, INTERVAL 1 MICROSECOND), ends_at] ORDER BY starts_at) AS ends
FROM (
  {gaps}
) AS apart
GROUP BY feed_id
