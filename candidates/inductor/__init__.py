"""From what Inductor generated to a module of the form that candidates have. Text to text: nothing is run."""
