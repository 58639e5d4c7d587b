
SET VARIABLE exchange_files = (
  SELECT coalesce(list(file), ['/dev/null'])
  FROM glob(getvariable('exchange_folder') || '/{stream}*.jsonl')
  WHERE regexp_matches(parse_filename(file), '^{stream}(-[0-9]{8}T[0-9]{6})?\.jsonl$')
);
CREATE OR REPLACE TABLE {stream} AS
SELECT *
FROM read_json(
  getvariable('exchange_files'),
  format = 'newline_delimited',
  ignore_errors = TRUE,
  maximum_object_size = 67108864,
  columns = {
{columns},
    _sdc_deleted_at: 'TIMESTAMP'
  }
)
WHERE {there}
QUALIFY row_number() OVER (PARTITION BY {keys} ORDER BY coalesce(synced_at, _sdc_deleted_at) DESC) = 1;
