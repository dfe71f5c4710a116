"""What can be done with a round of answers: differences, blind vote, ratings, judge, merge, race and sweep."""
