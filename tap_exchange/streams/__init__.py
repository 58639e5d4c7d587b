"""The Singer face of each table: name, key, schema; a stream receives records, it fetches nothing."""
