"""The engine: from a mailbox's feeds to pages of records, and the bookmarks that keep them true."""
