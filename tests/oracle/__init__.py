"""A second, independent reading of the rulebook: plain and slow, to hold the product's answers against."""
