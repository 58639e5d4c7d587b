"""The wire: sign-in and sessions, the operations, strict reading, faults and pace."""
