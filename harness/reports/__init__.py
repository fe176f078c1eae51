"""What people read at the end: tables of results."""
