"""The parts of the loop: who works on what was asked, what is set aside for it, what it is shown, what it comes to."""
