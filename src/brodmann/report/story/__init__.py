"""The findings in sentences, with the numbers, the test and its n: read from the tables of results."""
