"""What stands in the items: defaults of single ones, bulk ones, and the example world."""
