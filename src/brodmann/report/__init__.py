"""What a study says: the report page and the methods paragraph."""
