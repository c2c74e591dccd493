"""Floor 6: the report page; reads artifacts and journals only."""
