"""Two or three maps of one model beside each other."""
