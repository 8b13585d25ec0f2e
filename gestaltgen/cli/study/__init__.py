"""`gestaltgen study`: one module for each subcommand, from the plan of a study with people to its report."""
