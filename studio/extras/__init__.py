"""Networks that do not come with the studio, fetched by a command and kept in a folder."""
