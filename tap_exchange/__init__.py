"""Singer tap for Microsoft Exchange mailboxes over Exchange Web Services."""
