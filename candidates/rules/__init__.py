"""What a candidate's source may contain: tables of names, and small functions over its syntax tree."""
