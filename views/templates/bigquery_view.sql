EXECUTE IMMEDIATE REPLACE('''
CREATE OR REPLACE VIEW `<dataset>.{name}` AS
{query}
''', '<dataset>', dataset);
