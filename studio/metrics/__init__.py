"""What is measured on pictures: figures with their definition and their source."""
