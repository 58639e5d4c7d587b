SELECT
  feed_id,
  starts_at,
  ends_at,
  unnest(generate_series(date_trunc('hour', starts_at), ends_at, INTERVAL 1 HOUR)) AS hour
FROM (
  {gaps}
) AS apart
