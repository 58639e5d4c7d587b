SET statement = (
  SELECT STRING_AGG(REPLACE('{member}', '@stream@', stream), ' UNION ALL ')
  FROM UNNEST([{tables}]) AS stream
  WHERE stream IN UNNEST(present)
);
EXECUTE IMMEDIATE REPLACE(CONCAT('CREATE OR REPLACE VIEW `<dataset>.live_items` AS ', statement), '<dataset>', dataset);
